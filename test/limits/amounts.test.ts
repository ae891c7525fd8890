/** Limits of memory, of processors and of processes in the control groups of the machine that the test runs on. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import type { Limits } from '../../lib/definition/limits.ts'
import { parseProcess } from '../../lib/machine/identity.ts'
import { removeGroup } from '../../lib/process/containment/groups.ts'
import { type Controllers, controllersFor } from '../../lib/process/limits/controllers.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { readFact, readLine } from '../../lib/state/facts.ts'
import type { PartitionFiles } from '../../lib/state/partition-paths.ts'
import { until } from '../lab/until.ts'
import { alive } from '../process/partition.ts'
import { held, isRoot, place, running } from './place.ts'

/** Without a home only version 1 can have them. On a machine with all controllers in version 2 this is for the proof. */
const here: Controllers = controllersFor({ directory: null, why: 'not asked for' })
const lacks = Object.entries(here).flatMap(([amount, place]) => (typeof place === 'string' ? amount : []))
const skip = (!isRoot && 'needs root') || (lacks.length > 0 && `version 1 has no ${lacks.join(', ')} here`)

const limitsOf = ({ limits }: PartitionFiles) => (readFact(limits) ?? '').split('\n')
/** The group of version 1 with a controller that the partition's process joins. */
const groupWith = (files: PartitionFiles, file: string) =>
  limitsOf(files)
    .filter(line => line.startsWith('join '))
    .map(line => dirname(line.slice('join '.length)))
    .find(group => existsSync(`${group}/${file}`)) ?? assert.fail(`no group has ${file}: ${limitsOf(files)}`)
const setting = (files: PartitionFiles, file: string) =>
  readFileSync(`${groupWith(files, file)}/${file}`, 'utf8').trim()
const runs = ({ process }: PartitionFiles) => until('a process', () => parseProcess(readLine(process)))

const hungry = (bytes: number) => [
  process.execPath,
  '-e',
  `const all = []; for (let n = 0; n < ${bytes}; n += 1e7) all.push(Buffer.alloc(1e7, 1)); setInterval(() => {}, 1e6)`,
]

describe('a limit', { skip }, () => {
  it('is set before the process runs, which is in the groups that have it, and its shepherd is not', async test => {
    const files = place(test)
    const start = held(files, '1')
    await startShepherds(running(['sleep', '1000'], { memory: 50_000_000, cpu: 0.5, pids: 20 }), [start])
    const { pid } = await runs(start.files)
    await until('the process to be in it', () =>
      readFileSync(`${groupWith(start.files, 'pids.max')}/cgroup.procs`, 'utf8').includes(`${pid}\n`),
    )
    assert.equal(Math.round(Number(setting(start.files, 'memory.limit_in_bytes')) / 1e6), 50)
    assert.equal(setting(start.files, 'pids.max'), '20')
    assert.equal(setting(start.files, 'cpu.cfs_quota_us'), '50000')
    const shepherd = parseProcess(readLine(start.files.shepherd)) ?? assert.fail('no shepherd')
    for (const file of ['pids.max', 'memory.limit_in_bytes', 'cpu.cfs_quota_us'])
      assert.ok(!readFileSync(`${groupWith(start.files, file)}/cgroup.procs`, 'utf8').includes(`${shepherd.pid}\n`))
  })

  it('goes with the partition: its groups are removed, and one that a definition limits no more has none', async test => {
    const files = place(test)
    const start = held(files, '1')
    await startShepherds(running(['true'], { pids: 20 }), [start])
    const group = groupWith(start.files, 'pids.max')
    await until('its end', () => readLine(start.files.status)?.startsWith('finished'))
    removeGroup(start.files)
    assert.ok(!existsSync(group))
    assert.ok(!existsSync(start.files.limits))
  })

  it('of memory ends who takes more, alone: the exit says why, and the neighbour goes on', async test => {
    const files = place(test)
    const [greedy, other] = [held(files, '1'), held(files, '2')]
    await startShepherds(running(['sleep', '1000'], { memory: 100_000_000 }), [other])
    const neighbour = await runs(other.files)
    await startShepherds(running(hungry(1e9), { memory: 100_000_000 }), [greedy])
    const status = await until('its end', () => readLine(greedy.files.status)?.match(/^finished: .*/)?.[0], {
      deadline: 60_000,
    })
    assert.equal(status, 'finished: exit 137 (signal 9), out of memory: more than its memory limit of 100 MB')
    assert.match(
      readLine(greedy.files.exit) ?? '',
      /out of memory: more than its memory limit of 100 MB after \d+ s at \d+$/,
    )
    assert.match(readLine(greedy.files.oom) ?? '', /^\d+ \d{10}$/)
    assert.ok(alive(neighbour.pid))
    assert.equal(readLine(other.files.status), 'running')
    assert.equal(readFact(other.files.oom), null)
  })

  it('of processes holds for a program that forks without end, and its shepherd ends all of it', async test => {
    const files = place(test)
    const [bomb, other] = [held(files, '1'), held(files, '2')]
    const limits: Limits = { pids: 50 }
    // First a run that forks nothing: the limit is seen in force before anything forks without end.
    await startShepherds(running(['sleep', '1'], limits), [bomb])
    await until('its end', () => readLine(bomb.files.status)?.startsWith('finished'))
    assert.equal(setting(bomb.files, 'pids.max'), '50')
    await startShepherds(running(['sleep', '1000'], limits), [other])
    const neighbour = await runs(other.files)
    const again = held(files, '1')
    // Each child forks on and on, and tries again when it may not. Its user's own limit is a second belt.
    const forks = ['perl', '-e', 'while (1) { select(undef, undef, undef, 0.1) unless defined fork }']
    await startShepherds(running(forks, { ...limits, user: 'nobody', ulimit: { nproc: 500 } }), [again])
    const group = groupWith(again.files, 'pids.max')
    assert.equal(readFileSync(`${group}/pids.max`, 'utf8').trim(), '50')
    await until('it to have all that it may', () => Number(readFileSync(`${group}/pids.current`, 'utf8')) >= 50)
    const events = () => Number(/max (\d+)/.exec(readFileSync(`${group}/pids.events`, 'utf8'))?.[1])
    await until('the kernel to have refused forks', () => events() > 0)
    assert.ok(alive(neighbour.pid))
    const shepherd = parseProcess(readLine(again.files.shepherd)) ?? assert.fail('no shepherd')
    process.kill(shepherd.pid, 'SIGTERM')
    await until('nothing to be left', () => readFileSync(`${group}/cgroup.procs`, 'utf8') === '', { deadline: 20_000 })
    assert.ok(alive(neighbour.pid))
  })
})
