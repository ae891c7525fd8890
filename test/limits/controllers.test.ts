/**
 * Where limits are set: version 1, version 2, and neither. Version 1 is this machine's; version 2 with the three controllers
 * is a prepared directory, for they can be in one version only; that processes stand aside is shown with a controller that
 * version 1 does not have.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Limits } from '../../lib/definition/limits.ts'
import { remark } from '../../lib/keys/report.ts'
import { nearWhat } from '../../lib/machine/near-limit.ts'
import { aside, ownGroup } from '../../lib/process/containment/groups.ts'
import { limiter } from '../../lib/process/limits/apply.ts'
import { controllersFor, controllersOf, switchOn } from '../../lib/process/limits/controllers.ts'
import { unkept } from '../../lib/process/limits/keepable.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { withWarnings } from '../../lib/state/near.ts'
import { definition, locals } from '../fixtures/cluster.ts'
import { directory, partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'
import { isRoot } from './place.ts'

const none = { mountinfo: '', cgroup: '' }
const limits: Limits = { memory: 100_000_000, cpu: 1.5, pids: 50 }

/** A directory with the files that the kernel makes in a group of version 2. */
function group(path: string, files: Readonly<Record<string, string>> = {}): string {
  mkdirSync(path, { recursive: true })
  const all = { 'cgroup.subtree_control': '', 'cgroup.procs': '', 'cgroup.controllers': 'cpu memory pids', ...files }
  for (const [name, text] of Object.entries(all)) writeFileSync(join(path, name), text)
  return path
}

/** A home in version 2, and a partition that has its group there. */
function prepared(test: TestContext, more: readonly string[] = []) {
  const unit = group(join(directory(test), 'unit'))
  const home = group(join(unit, 'watchbill.a%3Asvc'))
  const files = partitionIn(stateOf(test), '1')
  const names = [
    'memory.max',
    'memory.swap.max',
    'memory.oom.group',
    'memory.current',
    'memory.events',
    'cpu.max',
    'pids.max',
    'pids.current',
    ...more,
  ]
  const own = group(join(home, '1.mark'), Object.fromEntries(names.map(name => [name, ''])))
  writeFact(files.group, own)
  return {
    unit,
    home: { directory: home, why: 'prepared' },
    files,
    own,
    text: (name: string) => readFileSync(join(own, name), 'utf8'),
  }
}

describe('in version 2', () => {
  it('the controllers are switched on down to the home, and the limits set in the group of the partition', test => {
    const { home, files, own, text, unit } = prepared(test)
    assert.deepEqual(limiter(home, limits)(files, 'mark'), { problem: null, instead: [] })
    for (const path of [unit, home.directory])
      assert.match(readFileSync(join(path, 'cgroup.subtree_control'), 'utf8'), /^\+pids/)
    assert.equal(text('memory.max'), '100000000')
    assert.deepEqual(['memory.swap.max', 'memory.oom.group', 'cpu.max', 'pids.max'].map(text), [
      '0',
      '1',
      '150000 100000',
      '50',
    ])
    assert.deepEqual(readFact(files.limits)?.split('\n'), [
      `oom ${own}/memory.events its memory limit of 100 MB`,
      `memory ${own}/memory.current 100000000`,
      `pids ${own}/pids.current 50`,
    ])
  })

  it('what a group does not take cannot be kept: the line says which file', test => {
    const { home, files, own } = prepared(test)
    writeFact(files.group, join(own, 'gone'))
    assert.deepEqual(limiter(home, { pids: 5 })(files, 'mark'), {
      problem: `run.pids cannot be kept: ${own}/gone/pids.max refuses 5: ENOENT; "limits": "best-effort" in run starts it without`,
      instead: [],
    })
  })
})

describe('in version 1', () => {
  const mounts = (root: string) => ({
    mountinfo: [
      `30 25 0:26 / ${root}/memory rw - cgroup cgroup rw,memory`,
      `31 25 0:27 /docker/x ${root}/cpu rw - cgroup cgroup rw,cpu,cpuacct`,
      `32 25 0:28 / ${root}/unified rw - cgroup2 cgroup2 rw`,
    ].join('\n'),
    cgroup: '3:memory:/own\n2:cpu,cpuacct:/docker/x/inner\n0::/',
  })

  it("the groups are made below the agent's own, also where a mount shows only a part", test => {
    const root = directory(test)
    for (const path of ['memory/own', 'cpu/inner']) mkdirSync(join(root, path), { recursive: true })
    assert.deepEqual(controllersFor({ directory: null, why: 'there is none' }, mounts(root)), {
      memory: { version: 1, directory: `${root}/memory/own` },
      cpu: { version: 1, directory: `${root}/cpu/inner` },
      pids: 'there is none',
    })
  })

  it('another user than root has none that is not its own', test => {
    const root = directory(test)
    for (const path of ['memory/own', 'cpu/inner']) mkdirSync(join(root, path), { recursive: true })
    const { memory } = controllersOf({ pid: null, uid: 12_345 }, mounts(root))
    assert.equal(memory, `${root}/memory/own belongs to root`)
  })
})

describe('without control groups', () => {
  const home = { directory: null, why: 'there are no control groups of version 2' }
  const limiterWithout = (of: Limits) => limiter(home, of, controllersFor(home, none))

  it('nothing is started that has such a limit', test => {
    const files = partitionIn(stateOf(test), '1')
    assert.equal(
      limiterWithout(limits)(files, 'mark').problem,
      'run.memory cannot be kept: there are no control groups of version 2; "limits": "best-effort" in run starts it without',
    )
  })

  it('the limits of each process stand in, where the definition accepts that', test => {
    const files = partitionIn(stateOf(test), '1')
    const easy: Limits = { ...limits, bestEffort: true }
    assert.deepEqual(limiterWithout(easy)(files, 'mark'), { problem: null, instead: ['data=100000000'] })
    assert.deepEqual(limiterWithout({ ...easy, user: 'nobody' })(files, 'mark').instead, ['data=100000000', 'nproc=50'])
    assert.deepEqual(limiterWithout({ ...easy, ulimit: { data: 1 } })(files, 'mark').instead, [])
    assert.equal(readFact(files.limits), null)
  })

  it('doctor and configure know it before', () => {
    const of = {
      ...definition,
      run: { ...definition.run, limits: { ...limits, user: 'nobody', nice: -1, private: ['/tmp'] } },
    }
    const lacks = unkept(
      of,
      { pid: null, uid: 65_533 },
      { memory: 'no memory', cpu: 'no cpu', pids: { version: 1, directory: '/' } },
    )
    assert.deepEqual(lacks, [
      'run.user: only an agent that is root can run commands as nobody',
      'run.nice: only an agent that is root can go below 0',
      'run.memory: no memory',
      'run.cpu: no cpu',
      'run.private: only an agent that is root can mount',
    ])
  })
})

describe('a group with processes of its own', () => {
  const own = isRoot ? ownGroup() : null
  const offered = own === null ? '' : readFileSync(`${own.mount}/cgroup.controllers`, 'utf8')
  const [controller = ''] = offered.trim().split(' ')
  const skip =
    (controller === '' && 'version 2 has no controller here') || (own?.path !== '' && 'not in the root group')

  it('lets them stand aside, one level down, and then has the controller', { skip }, async test => {
    const root = own?.mount ?? ''
    const wasOn = readFileSync(`${root}/cgroup.subtree_control`, 'utf8').split(/\s+/).includes(controller)
    const unit = `${root}/watchbill-test-${process.pid}`
    mkdirSync(unit)
    const child = spawn('sleep', ['1000'])
    test.after(async () => {
      child.kill('SIGKILL')
      writeFileSync(`${unit}/cgroup.subtree_control`, `-${controller}`)
      for (const path of [`${unit}/${aside}`, unit])
        await until(`${path} to be removed`, () => {
          rmdirSync(path)
          return true
        })
      if (!wasOn) writeFileSync(`${root}/cgroup.subtree_control`, `-${controller}`)
    })
    assert.equal(switchOn(unit, controller), `the kernel has no ${controller} controller here`)
    assert.equal(switchOn(root, controller), null)
    writeFileSync(`${unit}/cgroup.procs`, String(child.pid))
    assert.equal(switchOn(unit, controller), null)
    assert.equal(readFileSync(`${unit}/${aside}/cgroup.procs`, 'utf8'), `${child.pid}\n`)
    assert.equal(readFileSync(`${unit}/cgroup.procs`, 'utf8'), '')
    assert.match(readFileSync(`${unit}/cgroup.subtree_control`, 'utf8'), new RegExp(controller))
    assert.equal(switchOn(unit, 'nothing'), 'the kernel has no nothing controller here')
  })
})

describe('a limit that is near', () => {
  it('is one from nine tenths on, until it is below eight; files that nobody uses are not counted', test => {
    const folder = directory(test)
    const file = join(folder, 'memory.current')
    const used = (bytes: number, idle = 0, stat = 'inactive_file') => {
      writeFileSync(file, `${bytes}\n`)
      writeFileSync(join(folder, 'memory.stat'), `anon 5\n${stat} ${idle}\n`)
    }
    const limits = `oom x\nmemory ${file} 1000`
    const cases: [number, number, string, boolean, string | null][] = [
      [899, 0, 'inactive_file', false, null],
      [900, 0, 'inactive_file', false, 'run.memory, 1000'],
      [800, 0, 'inactive_file', true, 'run.memory, 1000'],
      [799, 0, 'inactive_file', true, null],
      [1000, 500, 'inactive_file', false, null],
      [1000, 500, 'total_inactive_file', false, null],
    ]
    for (const [bytes, idle, stat, was, near] of cases) {
      used(bytes, idle, stat)
      assert.equal(nearWhat(limits, was), near)
    }
    assert.equal(nearWhat(`pids ${file} 1100\nmemory ${join(folder, 'gone')} 5`, false), 'run.pids, 1100')
  })

  it('is told as a warning of a partition that runs, and so is a kill for memory, for an hour', test => {
    const files = partitionIn(stateOf(test), '1')
    const local = { ...locals.running(), home: files.directory }
    const words = (now: number) => remark(withWarnings(new Map([['1', local]]), now).get('1') ?? assert.fail())
    assert.equal(words(0), null)
    writeFact(files.near, 'run.memory, 1000')
    assert.equal(words(0), 'warning: it is near its limit: run.memory, 1000')
    writeFact(files.oom, '3 1000000000')
    const killed =
      'the kernel has killed for memory, at 2001-09-09T01:46:40Z, 3 times in all: raise run.memory, or let it use less'
    assert.equal(words(1_000_000_001), `warning: ${killed}; it is near its limit: run.memory, 1000`)
    assert.equal(words(1_000_003_600), 'warning: it is near its limit: run.memory, 1000')
    assert.ok(existsSync(files.oom))
  })
})
