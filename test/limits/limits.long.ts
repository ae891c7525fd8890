/**
 * Limits on a real agent: a writer of every key runs nothing that the limits of the machine do not allow, and a worker
 * that takes more memory than it may dies alone, with its reason on every agent.
 */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { controllersFor } from '../../lib/process/limits/controllers.ts'
import { readFact } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { processes, statusOf } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { install, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { isRoot } from './place.ts'

const skip = !isRoot && 'only root can write limits that are believed'
const noMemory = typeof controllersFor({ directory: null, why: '' }).memory === 'string'

/** What a writer of keys would have run, and the file that it would leave. */
const evil = (mark: string) => ['/bin/sh', '-c', `: >${mark}`]

/** Ids of partitions that are more than ids, where somebody lets them be. */
const ids = (mark: string) => [
  `$(: >${mark})`,
  `; : >${mark}`,
  '--help',
  '-c',
  '../../../../bin/sh',
  '{node}',
  'a\'b"c',
  '/etc/passwd',
]

describe('limits on an agent', { skip }, () => {
  const shared = sharedCluster({
    clients: 0,
    env: ({ folder }: Agent) => ({ WATCHBILL_LIMITS: join(folder, 'limits', 'limits.json') }),
  })
  const agent = () => shared().agents[0] as Agent
  const kv = (key: string, value: unknown) =>
    agent().api('PUT', `/v1/kv/${key.split('/').map(encodeURIComponent).join('/')}`, value)

  function writeLimits(limits: object): void {
    const folder = join(agent().folder, 'limits')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'limits.json'), JSON.stringify(limits))
  }

  const commandLine = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)

  it('hold against a writer of every key: nothing is run but what they allow', async () => {
    const { folder } = agent()
    const [log, mark, worker] = [join(folder, 'ran'), join(folder, 'evil'), join(folder, 'work.sh')]
    // It says what it was given; `exec -a` is not in sh, so its arguments stay in its command line.
    writeFileSync(worker, `printf '%s|' "$#" "$@" >>${log}; echo >>${log}; sleep 100000`)
    writeFileSync(log, '')
    chmodSync(log, 0o666)
    writeLimits({ users: ['root'], commands: { work: [['/bin/sh', worker, 'web', '*']] }, env: [] })
    const command = { choose: '/role', of: { web: ['/bin/sh', worker, 'web', '{partition}'] } }
    const definition = {
      name: 'work',
      partitions: { byHand: true },
      run: { command, user: 'root' },
      guard: { interval: '1s' },
      lease: '5s',
      stop: { grace: '1s' },
    }
    // byHand has no set of its own: the writer is the only one who makes partitions.
    await install(agent(), definition)
    const hostile = {
      role: 'web',
      command: evil(mark),
      run: { command: evil(mark), user: 'root' },
      user: 'daemon',
      memory: 1,
      of: { web: evil(mark) },
      env: { LD_PRELOAD: mark },
      hooks: { started: evil(mark) },
      stop: { command: evil(mark) },
      checks: [{ name: 'x', command: evil(mark) }],
    }
    await until(
      'it to take part',
      async () => (await statusOf(agent(), 'work')).instances.some(({ state }) => state === 'member'),
      { deadline: 60_000 },
    )
    const all = ['good', ...ids(mark)]
    for (const id of all) {
      await kv(keysOf('work').partition(id), { from: 'hand', document: hostile, ...hostile }).catch(() => {})
    }
    await kv('watchbill/work/partition/other', { from: 'hand', document: { ...hostile, role: evil(mark) } })
    await kv('watchbill/work/spec/documents', 1)
    await kv('watchbill/work/spec/revision', { by: 'somebody' })
    await until('the good one to run', () => readFileSync(log, 'utf8').includes('2|web|good|'), { deadline: 30_000 })
    const keys = await agent().api<string[]>('GET', '/v1/kv/watchbill/work/?keys')
    assert.ok(keys.length > 8, keys.join(' '))
    const more = [
      'spec/settings',
      'spec/placement',
      'spec/number',
      'spec/freeze',
      'spec/sync',
      'spec/look',
      'spec/terms',
      'restart/good',
      'cooldown/good',
      'trait/good',
      'traits',
      'proposal/x',
      'duty/source',
      'telling/good/1',
    ]
    const files = instanceFiles(agent().state, instanceOf(agent(), definition))
    for (const key of [...keys, ...more.map(key => `watchbill/work/${key}`)]) {
      await agent().api('PUT', `/v1/kv/${encodeURI(key)}`, {
        ...hostile,
        definition: hostile,
        settings: hostile,
        drained: [],
        held: [],
      })
    }
    const renewed = () => readFact(files.lease)
    for (let ticks = 0, last = renewed(); ticks < 5; ticks++)
      last = await until('another tick', () => renewed() !== last && renewed(), { deadline: 30_000 })
    for (const line of readFileSync(log, 'utf8').split('\n').filter(Boolean)) assert.match(line, /^2\|web\|.*\|$/)
    assert.ok(!existsSync(mark), 'somebody ran what a key says')
    // While one starts, it is still the shell that limits it.
    await until(
      'every process to be what the limits allow',
      see => {
        const all = see([...processes(agent(), definition)].map(([id, { pid }]) => [id, ...commandLine(pid)]))
        return all.every(([id, ...line]) => line.join('\0') === ['/bin/sh', worker, 'web', id].join('\0'))
      },
      { deadline: 30_000 },
    )
  })

  it('end who takes more memory than it may, and status says so, and so does its hook', {
    skip: noMemory && 'no memory controller of version 1',
  }, async () => {
    const told = join(agent().folder, 'told')
    const greedy = `const all = []; setTimeout(() => { for (let n = 0; n < 1e9; n += 1e7) all.push(Buffer.alloc(1e7, 1)) }, 500)`
    const tell = ['/bin/sh', '-c', 'cat >>"$1"', 'sh', told]
    const definition = {
      name: 'greedy',
      partitions: { list: ['big', 'small'] },
      run: {
        command: [
          '/bin/sh',
          '-c',
          'if [ "$1" = big ]; then exec "$2" -e "$3"; else exec sleep 100000; fi',
          'sh',
          '{partition}',
          process.execPath,
          greedy,
        ],
        memory: '100MB',
        pids: 50,
      },
      hooks: { exited: tell },
    }
    writeLimits({ commands: { greedy: [['/bin/sh', '-c', '*', '...']] } })
    await install(agent(), definition)
    const running = () => processes(agent(), definition)
    await until('the small one to run', () => running().has('small'), { deadline: 30_000 })
    const small = running().get('small')
    const why = await until(
      'status to say why',
      async see => {
        const { partitions } = see(await statusOf(agent(), 'greedy'))
        const big = partitions.find(({ partition }) => partition === 'big')
        return big?.state === 'crash-looping' && `${big.state}: ${big.why}`
      },
      { deadline: 60_000 },
    )
    assert.match(
      why,
      /^crash-looping: since .*: exit 137 \(signal 9\), out of memory: more than its memory limit of 100 MB; /,
    )
    const exit = await until(
      'the hook',
      () => existsSync(told) && /\{"Event":"exited".*/.exec(readFileSync(told, 'utf8'))?.[0],
    )
    assert.match(exit, /"Code":137,"Signal":9,.*out of memory.*"OutOfMemory":true/)
    assert.deepEqual(running().get('small'), small, 'its neighbour goes on')
    assert.equal(
      (await statusOf(agent(), 'greedy')).partitions.find(({ partition }) => partition === 'small')?.state,
      'running',
    )
  })
})
