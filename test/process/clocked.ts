/** An instance of three partitions whose shepherds go by a clock, without Consul and without a guard. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import type { TestContext } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { tendClock } from '../../lib/guard/tend-clock.ts'
import { isAlive, type Process, parseProcess } from '../../lib/machine/identity.ts'
import { startClock } from '../../lib/process/shepherd/clock.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { readFact, readLine, writeFact } from '../../lib/state/facts.ts'
import { instanceLease, writeLease } from '../../lib/state/lease.ts'
import { localFacts } from '../../lib/state/local.ts'
import type { PartitionFiles } from '../../lib/state/partition-paths.ts'
import type { InstanceFiles } from '../../lib/state/paths.ts'
import { definition, me } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { killMarked } from '../lab/marked.ts'
import { until } from '../lab/until.ts'
import { children, proc } from './partition.ts'

export const lease = 2000
const grace = 400
const ids = ['0', '1', '2']
export const every = { every: 10, deadline: 10_000 }

/** Its lease is renewed until `cutOff`. */
export class Instance {
  readonly files: InstanceFiles
  readonly partitions: readonly PartitionFiles[]
  #renewals: ChildProcess | null = null

  constructor(t: TestContext) {
    this.files = stateOf(t)
    this.partitions = ids.map(id => partitionIn(this.files, id))
    t.after(async () => {
      this.#renewals?.kill('SIGKILL')
      await killMarked(this.files.directory)
    })
  }

  static async running(t: TestContext): Promise<Instance> {
    const instance = new Instance(t)
    await instance.start()
    await instance.clocked()
    return instance
  }

  async start(own = lease): Promise<void> {
    this.renew()
    const starts = this.partitions.map((files, n) => this.#held(files, ids[n] as string, own))
    const run = { ...definition.run, command: ['/bin/sleep', '1000'], env: { PATH: '/nowhere' }, cwd: null }
    await startShepherds({ ...definition, run }, starts)
    await until('all to run', () => this.partitions.every(({ status }) => readLine(status) === 'running'), every)
  }

  async clocked(): Promise<void> {
    await startClock(this.files, lease)
    await this.goByIt()
  }

  async goByIt(): Promise<void> {
    await until('all to have no timer', () => this.partitions.every(one => timerOf(one) === null), every)
  }

  get clock(): Process {
    return parseProcess(readFact(this.files.clock.promise)?.split(' ', 2).join(' ') ?? null) ?? assert.fail('no clock')
  }

  /** Renews the lease every 100 ms, in a process of its own. */
  renew(): void {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for the shell
    const line = 'while read -r up rest </proc/uptime; do echo "$1 ${up%.*}${up#*.}0" >l; mv l lease; sleep 0.1; done'
    const cwd = this.files.directory
    this.#renewals = spawn('sh', ['-c', line, 'sh', bootId()], { cwd, stdio: 'ignore' })
  }

  /** @returns when the lease is over */
  async cutOff(): Promise<number> {
    const renewals = this.#renewals
    renewals?.kill('SIGKILL')
    await until('the renewals to end', () => renewals?.signalCode, every)
    return (instanceLease(this.files, bootClock()) ?? Number.NaN) + lease
  }

  /** What a tick of the guard does for the clock. */
  async tend({ isRenewed = true, answered = true }): Promise<void> {
    const { files } = this
    const now = bootClock()
    const local = localFacts(files, instanceLease(files, now), now)
    const self = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
    await tendClock(self, { local, unrenewed: isRenewed ? new Map() : local, answered, next: now + 3900 })
  }

  /** When each process was gone, from the end of the lease on, ms. */
  async lateness(end: number): Promise<number[]> {
    const processes = this.partitions.map(workerOf)
    return Promise.all(processes.map(async one => (await until('its end', () => gone(one), { every: 2 })) - end))
  }

  #held(files: PartitionFiles, partition: string, own: number) {
    writeFact(files.acquisition, `acquisition of ${partition}`)
    writeFact(files.terms, `${own} ${grace}`)
    writeLease(files, { from: 0, own: bootClock() })
    return {
      ...{ files, service: 'svc', instance: 'a:svc', node: 'a', partition, version: '', token: '1' },
      ...{ acquisition: `acquisition of ${partition}`, lease: own, grace },
    }
  }
}

const shepherdOf = ({ shepherd }: PartitionFiles) => parseProcess(readLine(shepherd)) ?? assert.fail('no shepherd')
export const workerOf = ({ process }: PartitionFiles) => parseProcess(readLine(process)) ?? assert.fail('no process')
export const gone = (process: Process) => !isAlive(process) && bootClock()

export const isSleep = (pid: number) => proc(pid, 'comm') === 'sleep\n'

/** The child of a shepherd that is not its process. */
export function timerOf(files: PartitionFiles): number | null {
  const { pid } = workerOf(files)
  return children(shepherdOf(files).pid).find(child => child !== pid) ?? null
}
