/** `{version}` in rendered files: what it stands for, and that no start goes ahead of the file of its version. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext, test } from 'node:test'
import { markOf } from '../../lib/act/ask-for-render.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { isRenderDue } from '../../lib/guard/render-due.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { noPlan } from '../../lib/keys/own-plan.ts'
import type { Settings } from '../../lib/keys/settings.ts'
import type { Cluster } from '../../lib/look/cluster.ts'
import type { View } from '../../lib/render/input.ts'
import { entriesOf, versionHere } from '../../lib/render/versions.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { awaitsRender, beginToAwait, readRendered, readSeen } from '../../lib/state/renders.ts'
import { clusterOf, definition, heldBy, locks, me, memberOne, other, snapshotOf } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { inForce } from '../roll/records.ts'
import { keys, stage } from './stage.ts'

const versions = { pattern: '^\\d+\\.\\d+$', first: '1.0', keep: 2, timeoutMs: 1000 }
const settings: Settings = { drained: [], held: [], epoch: 0 }
const dest = '/etc/{version}/{partition}'
const each = { template: '/t', dest, each: 'partition', mode: 0o644, backups: 0 } as const

function viewOf(cluster: Partial<Cluster>, own: Partial<Definition> = { versions }): View {
  return {
    ...{ instance: me, node: 'a', definition: { ...definition, ...own }, here: new Set(), reports: new Map() },
    ...{ documents: new Map(), places: new Map(), placed: new Map([['1', other]]) },
    cluster: clusterOf({ partitions: new Set(['0', '1']), ownPlan: noPlan, ...cluster }),
  }
}

const named = { ...settings, version: '1.1', roll: { id: 'r1', to: '2.0', ready: true as const } }
const lockOf = (version: string, over = {}) => ({ ...locks.held(me), held: { ...heldBy(me), version }, ...over })

describe('the version of an instance', () => {
  const rows: [what: string, cluster: Partial<Cluster>, own: Partial<Definition>, version: string][] = [
    ['is none without versions', { settings: { ...settings, version: '1.1' } }, {}, ''],
    ['is the first one until one is rolled out', { settings }, { versions }, '1.0'],
    ['is the one in force', { settings: { ...settings, version: '1.1' } }, { versions }, '1.1'],
    [
      'is the members’ first one where an observer names none',
      { settings, members: [memberOne(other, { versions: { pattern: '', first: '0.9', prepared: null } })] },
      { versions: { pattern: '^.*$', keep: 2, timeoutMs: 1000 } },
      '0.9',
    ],
    [
      'is the old one while partitions are rolled',
      { settings: named, roll: inForce({ cursor: '1' }) },
      { versions },
      '1.1',
    ],
    [
      'is the new one once the roll-out of instances has reached it',
      { settings: named, roll: inForce({ unit: 'instance', cursor: me }) },
      { versions },
      '2.0',
    ],
    [
      'is the old one before that',
      { settings: named, roll: inForce({ unit: 'instance', cursor: 'Z' }) },
      { versions },
      '1.1',
    ],
    [
      'is the old one when the roll-out goes back',
      { settings: named, roll: inForce({ unit: 'instance', cursor: me, state: 'reverting' }) },
      { versions },
      '1.1',
    ],
  ]
  for (const [what, cluster, own, version] of rows)
    it(what, () => assert.equal(versionHere(viewOf(cluster, own)), version))
})

describe('the version of a partition', () => {
  const of = (cluster: Partial<Cluster>) =>
    entriesOf(viewOf(cluster), each, ['0', '1']).map(({ version, partitions, refusal }) => [
      version,
      partitions,
      refusal,
    ])

  it('is the one that its process runs with, whatever is in force', () => {
    const held = new Map([
      ['0', lockOf('2.0')],
      ['1', lockOf('1.0')],
    ])
    assert.deepEqual(of({ settings: named, roll: inForce({ cursor: '0' }), locks: held }), [
      ['2.0', ['0'], null],
      ['1.0', ['1'], null],
    ])
  })

  it('is the one that it is to be started in while nobody has it', () => {
    const free = new Map([
      ['0', lockOf('1.0', { session: null })],
      ['1', locks.clean()],
    ])
    assert.deepEqual(of({ settings: named, roll: inForce({ cursor: '0' }), locks: free }), [
      ['2.0', ['0'], null],
      ['1.1', ['1'], null],
    ])
  })

  it('is refused where the pattern of this definition forbids it, or none is in force', () => {
    const held = new Map([['0', lockOf('evil')]])
    const view = viewOf({ settings, locks: held }, { versions: { pattern: '^\\d+\\.\\d+$', keep: 2, timeoutMs: 1000 } })
    assert.deepEqual(
      entriesOf(view, each, ['0', '1']).map(({ refusal }) => refusal),
      [
        'version evil does not fit versions.pattern of the definition here',
        'no version is in force: watchbill roll --to <version>',
      ],
    )
  })

  it('is not asked for where nothing names it', () => {
    const found = entriesOf(viewOf({ settings }), { ...each, dest: '/etc/{partition}' }, ['0', '1'])
    assert.deepEqual(
      found.map(({ version, partitions, refusal }) => [version, partitions, refusal]),
      [['', ['0', '1'], null]],
    )
  })
})

const roll = { versions: { pattern: '^\\d+\\.\\d+$', first: '1.0' } }

async function rolling(t: TestContext, files: readonly Record<string, unknown>[], template?: string) {
  const at = await stage(t, { files, more: roll, ...(template !== undefined && { template }) })
  const { memory, dir } = at
  const put = (more: Partial<Settings>) => memory.put(keys.settings, JSON.stringify({ ...settings, ...more }))
  const runs = (id: string, node: string, version: string) => {
    memory.remove(keys.lock(id))
    memory.lock(keys.lock(id), `session of ${node}`, heldValue(heldBy(`${node}:svc`, { version })))
  }
  const shown = () => readdirSync(`${dir}/out`).sort()
  const textOf = (name: string) => readFileSync(`${dir}/out/${name}`, 'utf8')
  return { ...at, put, runs, shown, textOf }
}

test('one file stands for the version in force: in its name, its template, its check and its command', async t => {
  const check = [
    '/bin/sh',
    '-c',
    'grep -q "^$1 of $2 $WATCHBILL_VERSION$" "$3"',
    'sh',
    '{version}',
    '{service}',
    '{file}',
  ]
  const command = ['/bin/sh', '-c', 'echo "$1 $WATCHBILL_VERSION" >> "$2"', 'sh', 'in {version}', 'DIR/ran']
  const file = {
    template: 'DIR/{version}.liquid',
    dest: 'DIR/out/{version}.conf',
    clean: 'DIR/out/*.conf',
    check,
    command,
  }
  const { render, put, dir, shown, textOf, told } = await rolling(t, [file])
  for (const version of ['1.0', '2.0'])
    writeFileSync(`${dir}/${version}.liquid`, '{{ service.version }} of {{ service.name }} {{ service.version }}\n')
  await render()
  assert.deepEqual([told(), shown(), textOf('1.0.conf')], [[], ['1.0.conf'], '1.0 of svc 1.0\n'])
  put({ version: '2.0' })
  await render()
  assert.deepEqual([told(), shown(), textOf('2.0.conf')], [[], ['2.0.conf'], '2.0 of svc 2.0\n'])
  assert.equal(readFileSync(`${dir}/ran`, 'utf8'), 'in 1.0 1.0\nin 2.0 2.0\n')
  put({ version: '3.0' })
  await render()
  assert.match(told()[0] ?? '', /^cannot render \S+\/out\/3\.0\.conf: the template cannot be read: ENOENT/)
  assert.deepEqual(shown(), ['2.0.conf'], 'what is there stays')
})

test('a file may stand in the directory of its version, and waits until that is there', async t => {
  const { render, put, dir, told } = await rolling(t, [{ template: 'DIR/t.liquid', dest: 'DIR/{version}/a.conf' }], 'x')
  await render()
  assert.match(told()[0] ?? '', /^cannot render \S+\/1\.0\/a\.conf: there is no directory \S+\/1\.0; make it; /)
  mkdirSync(`${dir}/1.0`)
  await render()
  assert.deepEqual(told(), [])
  put({ version: '2.0' })
  mkdirSync(`${dir}/2.0`)
  await render()
  assert.ok(existsSync(`${dir}/1.0/a.conf`) && existsSync(`${dir}/2.0/a.conf`))
})

test('each partition has a file of the version that it runs in, and the file of the old version goes', async t => {
  const file = {
    template: 'DIR/t.liquid',
    dest: 'DIR/out/{partition}-{version}',
    each: 'partition',
    clean: 'DIR/out/*-*',
  }
  const { render, runs, shown } = await rolling(t, [file], '{{ partition.version }}')
  runs('0', 'a', '1.0')
  runs('1', 'b', '1.0')
  await render()
  assert.deepEqual(shown(), ['0-1.0', '1-1.0'])
  runs('0', 'a', '2.0')
  await render()
  assert.deepEqual(shown(), ['0-2.0', '1-1.0'])
})

test('what Consul says is no version leads nowhere', async t => {
  const { render, put, dir, shown, told } = await rolling(t, [{ template: 'DIR/t.liquid', dest: 'DIR/out/{version}' }])
  for (const version of ['../x', '-rf', '..', 'a/b', 'x y']) {
    put({ version })
    await render()
    assert.ok(!existsSync(`${dir}/x`))
    assert.deepEqual(
      shown().filter(name => name !== '1.0'),
      [],
    )
  }
  put({ version: 'forbidden' })
  await render()
  assert.deepEqual(told(), [
    `cannot render ${dir}/out/forbidden: version forbidden does not fit versions.pattern of the definition here; what is there stays`,
  ])
})

test('a command that failed is run again in the version that is in force by then', async t => {
  const command = ['/bin/sh', '-c', 'echo "$1" >> "$2/ran"; [ "$1" = 2.0 ]', 'sh', '{version}', 'DIR']
  const { render, put, dir, run, told } = await rolling(
    t,
    [{ template: 'DIR/t.liquid', dest: 'DIR/out/a', command }],
    'x',
  )
  await render()
  assert.match(told()[0] ?? '', /^the command .* failed after files had changed: exit 1; /)
  put({ version: '2.0' })
  await render()
  assert.deepEqual([readFileSync(`${dir}/ran`, 'utf8'), told()], ['1.0\n2.0\n', []])
  assert.deepEqual(readRendered(run.files).pending, [])
})

test('a changed template of a version is seen by the tick', async t => {
  const at = await rolling(t, [{ template: 'DIR/{version}.liquid', dest: 'DIR/out/a' }])
  writeFileSync(`${at.dir}/1.0.liquid`, 'x')
  await at.render()
  const entry = { template: `${at.dir}/{version}.liquid`, dest: `${at.dir}/out/a`, mode: 0o644, backups: 0 }
  const due = () => isRenderDue(at.fake.consul, { files: at.run.files, service: 'svc' }, [entry])
  assert.ok(readSeen(at.run.files))
  assert.equal(await due(), false)
  writeFileSync(`${at.dir}/1.0.liquid`, 'longer')
  assert.equal(await due(), true)
})

describe('a start in another version', () => {
  it('waits for the file of that version, although its acquisition is the same', t => {
    const files = stateOf(t)
    const { acquisition, rendered, version } = partitionIn(files, '0')
    writeFact(acquisition, 'own')
    writeFact(version, '1.0 r1')
    writeFact(rendered, 'own 1.0')
    assert.equal(awaitsRender(files, '0', 1000), false)
    writeFact(version, '2.0 r2')
    assert.equal(awaitsRender(files, '0', 1000), true)
    beginToAwait(files, '0', 1000)
    assert.deepEqual(
      [5900, 6000].map(at => awaitsRender(files, '0', at)),
      [true, false],
      'at most 5 s',
    )
    assert.equal(readFact(rendered), 'own 1.0')
  })
})

test('each step of a roll-out of instances makes a render look again', () => {
  const mark = (over: object) => {
    const found = inForce({ unit: 'instance', ...over })
    return markOf(snapshotOf({ settings: named, roll: found }), new Map())
  }
  assert.equal(mark({ cursor: me, reached: 1 }), mark({ cursor: me, reached: 2 }))
  assert.equal(new Set([mark({}), mark({ cursor: me }), mark({ cursor: me, state: 'reverting' })]).size, 3)
})
