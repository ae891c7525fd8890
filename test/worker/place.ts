/** An instance whose partitions are handed to one worker, without Consul: its state directory and real processes. */
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../../lib/base/clock.ts'
import type { Start } from '../../lib/process/shepherd/start.ts'
import type { Stop } from '../../lib/process/shepherd/stop.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { stopAll } from '../../lib/process/stop.ts'
import { readLine, writeFact } from '../../lib/state/facts.ts'
import { writeLease } from '../../lib/state/lease.ts'
import type { InstanceFiles } from '../../lib/state/paths.ts'
import { definition } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { killMarked } from '../lab/marked.ts'
import { until } from '../lab/until.ts'

/** The worker of docs/one-process.md. */
export const exampleWorker = new URL('../../examples/one-process/worker.sh', import.meta.url).pathname

export class Place {
  readonly files: InstanceFiles
  readonly command: readonly string[]
  readonly lease: number
  readonly grace: number

  constructor(t: TestContext, command: readonly string[], { lease = 60_000, grace = 1000 } = {}) {
    this.files = stateOf(t)
    t.after(() => killMarked(this.files.directory))
    this.command = command
    this.lease = lease
    this.grace = grace
  }

  /** As after a claim: the lock is held, the lease begins now. */
  acquire(partition: string, token = '7'): Start {
    const files = partitionIn(this.files, partition)
    const acquisition = `acquisition of ${partition}, ${token}`
    writeFact(files.acquisition, acquisition)
    writeFact(files.token, token)
    writeLease(files, { from: 0, own: bootClock() })
    return {
      ...{ files, partition, token, acquisition, lease: this.lease, grace: this.grace },
      ...{ service: 'svc', instance: 'a:svc', node: 'a', version: '' },
    }
  }

  async start(...starts: readonly Start[]): Promise<void> {
    await startShepherds({ ...definition, run: { ...definition.run, per: 'instance', command: this.command } }, starts)
  }

  /** As after a change of the definition: each with a process of its own. */
  async startAlone(command: readonly string[], ...starts: readonly Start[]): Promise<void> {
    await startShepherds({ ...definition, run: { ...definition.run, command } }, starts)
  }

  /**
   * @param slowness how long giving their locks back takes, ms
   * @returns the partitions that are gone, in the order in which that was told
   */
  async stop(partitions: readonly string[], more: Partial<Stop> = {}, slowness = 0): Promise<string[]> {
    const told: string[] = []
    const stops = partitions.map(partition => {
      const files = this.files.partition(partition)
      return { partition, files, grace: this.grace, signal: 'SIGTERM' as const, ...more }
    })
    await stopAll(stops, async gone => {
      told.push(...gone.map(({ partition }) => partition))
      if (slowness > 0) await delay(slowness)
    })
    return told
  }

  /** The worker's process, once it runs. */
  process(): Promise<string> {
    return until('the worker to run', () => readLine(this.files.worker.process) || null)
  }
}
