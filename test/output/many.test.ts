import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { asJson, inOrder, labelled, linesSince, Reader } from '../../lib/operate/output/many.ts'
import { logsHere, outputsHere } from '../../lib/operate/output/sources.ts'
import { enterState } from '../../lib/state/boot.ts'
import { makeDirectory, writeFact } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { directory } from '../fixtures/state.ts'
import { handlers } from '../handlers/support/programs.ts'
import { until } from '../lab/until.ts'

const ofInstance = (instance: string) => ({ service: 'work', instance, partition: null, label: instance, file: '' })
const texts = (lines: readonly Buffer[]) => lines.map(line => line.toString())

function machine(t: TestContext) {
  const root = directory(t)
  const add = (instance: string, service: string, ids: readonly string[]) => {
    const files = instanceFiles(root, instance)
    enterState(files, instance, service)
    for (const id of ids) {
      makeDirectory(files.partition(id).directory)
      writeFact(files.partition(id).acquisition, 'mine')
      writeFileSync(files.partition(id).output, `hello from ${id}\n`)
    }
    return files
  }
  return { root, add }
}

describe('the files of a machine', () => {
  it('are those of the partitions that it holds, in the order of their names', t => {
    const { root, add } = machine(t)
    const files = add('n1:work', 'work', ['10', '2', 'gone'])
    add('n1:web', 'web', ['a'])
    writeFact(files.partition('gone').acquisition, 'x')
    const labels = (service: string | null) => outputsHere(root, service).map(({ label }) => label)
    assert.deepEqual(labels('work'), ['2', '10', 'gone'])
    assert.deepEqual(labels(null), ['web/a', 'work/2', 'work/10', 'work/gone'])
    assert.deepEqual(
      logsHere(root, 'web').map(({ label }) => label),
      ['n1:web'],
    )
  })
})

describe('a file that grows', () => {
  const reader = (t: TestContext, text: string) => {
    const file = join(directory(t), 'output')
    writeFileSync(file, text)
    return { file, reader: new Reader({ service: 'work', instance: 'n1:work', partition: '7', label: '7', file }) }
  }

  it('is read in whole lines, each once', t => {
    const { file, reader: one } = reader(t, 'a\nb\nc\n')
    assert.deepEqual(texts(one.first(2)), ['b', 'c'])
    assert.deepEqual(texts(one.next()), [])
    appendFileSync(file, 'd\nhalf')
    assert.deepEqual(texts(one.next()), ['d'])
    appendFileSync(file, ' a line\n')
    assert.deepEqual(texts(one.next()), ['half a line'])
  })

  it('is read on when it was renamed, as the log of an instance is', t => {
    const { file, reader: one } = reader(t, 'a\n')
    one.first(null)
    appendFileSync(file, 'b\n')
    renameSync(file, `${file}.1`)
    writeFileSync(file, 'c\n')
    assert.deepEqual(texts(one.next()), ['b', 'c'])
  })

  it('has its label before each line, which cannot move the cursor', () => {
    assert.equal(
      labelled('\u001b7', [Buffer.from('x'), Buffer.from('y')], 8).toString(),
      '\\u001b7   x\n\\u001b7   y\n',
    )
  })
})

describe('the logs of instances', () => {
  const line = (second: number, text: string) => Buffer.from(`2026-01-01T00:00:0${second}.000Z ${text}`)

  it('are shown in one order of time, with lines that have none after those before them', () => {
    const logs = [
      { source: ofInstance('a'), lines: [line(1, 'one'), Buffer.from('no time'), line(4, 'four')] },
      { source: ofInstance('b'), lines: [line(2, 'two')] },
    ]
    assert.deepEqual(
      inOrder(logs).map(({ line }) => line.toString().replace(/^\S+Z /, '')),
      ['one', 'no time', 'two', 'four'],
    )
  })

  it('are JSON for a program, with the time apart', () => {
    const [first, second] = asJson(ofInstance('n1:work'), [line(1, 'one\u202e'), Buffer.from('no time')], true)
      .toString()
      .trim()
      .split('\n')
    const own = { service: 'work', instance: 'n1:work' }
    assert.deepEqual(JSON.parse(first ?? ''), { ...own, at: '2026-01-01T00:00:01.000Z', line: 'one\u202e' })
    assert.deepEqual(JSON.parse(second ?? ''), { ...own, line: 'no time' })
    const printed = asJson({ ...ofInstance('n1:work'), partition: '7' }, [line(1, 'x')], false).toString()
    assert.deepEqual(JSON.parse(printed), { ...own, partition: '7', line: '2026-01-01T00:00:01.000Z x' })
    assert.ok(!first?.includes('\u202e'), 'nothing of it acts on a terminal')
  })

  it('begin with the first line that is recent enough', () => {
    const lines = [line(1, 'one'), line(5, 'five'), Buffer.from('more'), line(6, 'six')]
    const now = Date.parse('2026-01-01T00:00:07Z')
    assert.equal(linesSince(lines, 2500, now).length, 3)
    assert.equal(linesSince(lines, null, now).length, 4)
    assert.equal(linesSince(lines, 500, now).length, 0)
  })
})

it('logs --follow shows all partitions of the machine, also one that comes later', async t => {
  const { root, add } = machine(t)
  const files = add('n1:work', 'work', ['1', '2'])
  const child = spawn(process.execPath, [join(handlers, 'logs.ts'), 'work', '--follow', '--state', root])
  t.after(() => child.kill('SIGKILL'))
  let shown = ''
  child.stdout.on('data', chunk => {
    shown += chunk
  })
  await until('what is there', () => shown.includes('1  hello from 1\n2  hello from 2\n'))
  appendFileSync(files.partition('2').output, 'more\n')
  await until('what is new', () => shown.includes('2  more\n'))
  add('n1:work', 'work', ['3'])
  await until('a new partition', () => shown.includes('3  hello from 3\n'), { deadline: 10_000 })
})
