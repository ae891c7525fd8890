import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { table } from '../../lib/base/table.ts'
import { wrapped } from '../../lib/base/wrap.ts'
import type { Report } from '../../lib/keys/report.ts'
import { chosen } from '../../lib/operate/status/choose.ts'
import { pages, screen } from '../../lib/operate/status/screen.ts'
import { type Status, statusOf } from '../../lib/operate/status/status.ts'
import { takesColours, terminal } from '../../lib/program/terminal.ts'
import { clusterOf, heldBy, locks, me, memberOne, other, sessionOf } from '../fixtures/cluster.ts'

const size = { columns: 100, rows: 24, colours: false }
const why = 'crash-looping since 1767225600: exit 1'

/** @param bad so many of the first are crash-looping */
function service(count: number, bad: number, members = [memberOne(me), memberOne(other)]): Status {
  const ids = Array.from({ length: count }, (_, n) => String(n))
  const holder = (id: string) => members[Number(id) % members.length]?.instance as string
  const held = (id: string) => locks.held(holder(id), { session: sessionOf(holder(id)), held: heldBy(holder(id)) })
  const cluster = clusterOf({
    members,
    partitions: new Set(ids),
    locks: new Map(ids.map(id => [id, held(id)])),
  })
  const reports = new Map<string, Record<string, string>>()
  for (const id of ids.slice(0, bad)) reports.set(holder(id), { ...reports.get(holder(id)), [id]: why })
  return statusOf(cluster, reports as ReadonlyMap<string, Report>)
}

const plain = (lines: readonly string[]) => lines.map(line => stripVTControlCharacters(line))

test('a program gets everything, as it always has', () => {
  const lines = pages([service(5000, 3)], {}, null)
  assert.equal(lines.length, 1 + 3 + 5001)
  assert.ok(lines.every(line => !line.startsWith('not shown')))
})

test('a terminal gets everything while that is short', () => {
  assert.equal(pages([service(40, 3)], {}, size).filter(line => /^\d/.test(line)).length, 40)
})

test('of 5000 partitions a terminal gets what is not as it should be, on one screen, and the count of the rest', () => {
  const lines = pages([service(5000, 3)], {}, size)
  assert.ok(lines.length < size.rows, String(lines.length))
  assert.deepEqual(
    lines.filter(line => /^\d/.test(line)).map(line => line.split(' ')[0]),
    ['0', '1', '2'],
  )
  assert.equal(lines.at(-1), 'not shown: 4997 running, 2 instances; everything: watchbill status svc --all')
})

test('5000 partitions that are all bad, and 200 instances that are, still fit one screen', () => {
  const members = Array.from({ length: 200 }, (_, n) => memberOne(`n${n}:svc`, { absence: 'drained' }))
  const lines = pages([service(5000, 5000, members)], {}, size)
  assert.ok(lines.length <= size.rows - 1, String(lines.length))
  const shown = lines.filter(line => /^\d/.test(line)).length
  const instances = lines.filter(line => line.startsWith('n')).filter(line => !line.startsWith('not')).length
  assert.ok(shown > 0 && instances > 0)
  const rest = lines.at(-1) ?? ''
  assert.match(rest, /^not shown: \d+ .*, \d+ instances; everything: watchbill status svc --all$/)
  const counts = [...rest.matchAll(/(\d+) (?!instance)/g)].reduce((sum, [, n]) => sum + Number(n), 0)
  assert.equal(counts + shown, 5000)
  assert.match(rest, new RegExp(`${200 - instances} instances`))
})

test('--all shows everything on a terminal too, and --problems only problems to a program too', () => {
  const status = service(60, 2)
  assert.equal(pages([status], { all: true }, size).filter(line => /^\d+ /.test(line)).length, 60)
  const some = pages([status], { problems: true }, null)
  assert.equal(some.filter(line => /^\d+ /.test(line)).length, 2)
  assert.match(some.at(-1) ?? '', /^not shown: 58 running, 2 instances;/)
})

test('an instance, a state and a pattern each choose, and together', () => {
  const status = service(60, 2)
  const ids = (wanted: Parameters<typeof chosen>[1]) => chosen(status, wanted).partitions.map(one => one.partition)
  assert.equal(ids({ instance: me }).length, 30)
  assert.deepEqual(
    chosen(status, { instance: me }).instances.map(({ instance }) => instance),
    [me],
  )
  assert.equal(ids({ instance: '*:svc' }).length, 60)
  assert.deepEqual(ids({ state: 'crash-looping,failing' }), ['0', '1'])
  assert.deepEqual(ids({ partition: '5*' }).length, 11)
  assert.deepEqual(ids({ partition: '5*', instance: me, state: 'running' }), ['50', '52', '54', '56', '58'])
  assert.throws(() => ids({ state: 'runing' }), /"runing" is no state; there are crash-looping, .*running$/)
})

test('what somebody asks for is shown, however long', () => {
  assert.equal(pages([service(500, 2)], { state: 'running' }, size).filter(line => /^\d+ /.test(line)).length, 498)
})

test('a reason that is too wide is broken below itself, and nothing is lost', () => {
  const wide = { ...size, columns: 70 }
  const lines = pages([service(2, 1)], {}, wide)
  const from = lines.findIndex(line => line.startsWith('0 '))
  assert.ok(lines.slice(from).every(line => line.length <= 70))
  const end = lines.findIndex(line => line.startsWith('1 '))
  const text = lines
    .slice(from, end)
    .map(line => line.trim())
    .join(' ')
    .replace(/\s+/g, ' ')
  assert.match(text, /since 2026-01-01T00:00:00Z: exit 1; on a: watchbill logs svc 0$/)
})

test('colours only add to the text', () => {
  const status = service(3, 1)
  const coloured = pages([status], {}, { ...size, colours: true })
  assert.ok(coloured.some(line => line.includes('\u001b[31mcrash-looping\u001b[0m')))
  assert.deepEqual(plain(coloured), pages([status], {}, size))
})

test('what comes from Consul colours nothing, and moves no cursor', () => {
  const status = { ...service(1, 0), problems: ['\u001b[2J gone'] }
  for (const colours of [true, false])
    assert.ok(
      !pages([status], {}, { ...size, colours })
        .join('')
        .includes('\u001b[2J'),
    )
})

test('a watched screen is never higher than the terminal, also a low one with long problems', () => {
  const status = { ...service(300, 200), problems: ['it is '.repeat(100)] }
  for (const rows of [10, 24, 60])
    for (const columns of [40, 100]) {
      const lines = screen(status, {}, { columns, rows, colours: true }, new Set(['299']), 'foot')
      assert.ok(lines.length <= rows, `${lines.length} of ${rows}`)
      assert.equal(lines.at(-1), 'foot')
    }
})

test('a watched screen marks what has changed, also where nothing is wrong with it any more', () => {
  const lines = screen(service(300, 1), {}, size, new Set(['299']), 'foot')
  assert.match(lines.find(line => line.startsWith('*')) ?? '', /^\* {2}299 .*running/)
  assert.match(lines.find(line => /^ +0 /.test(line)) ?? '', /crash-looping/)
})

test('text is broken at spaces, and a long word is cut', () => {
  assert.deepEqual(wrapped('one two three', 7), ['one two', 'three'])
  assert.deepEqual(wrapped('one two', 7), ['one two'])
  assert.deepEqual(wrapped('abcdefghij k', 4), ['abcd', 'efgh', 'ij k'])
  assert.deepEqual(wrapped('', 4), [''])
  assert.deepEqual(wrapped('ab cd', Number.POSITIVE_INFINITY), ['ab cd'])
})

test('a last column with no room of its own is not broken', () => {
  const long = 'x'.repeat(40)
  assert.equal(table(['A', 'B'], [[long, long]], { width: 50 }).length, 2)
})

test('colours are for terminals, and not where somebody wants none', () => {
  assert.equal(terminal({}, {}), null)
  assert.deepEqual(terminal({}, { isTTY: true, columns: 70, rows: 20 }), { columns: 70, rows: 20, colours: true })
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) assert.equal(takesColours(env), false)
  assert.equal(takesColours({ NO_COLOR: '' }), true)
})
