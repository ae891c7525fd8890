/** What is done to an instance: drain, let it take part again, evict. */
import { z } from 'zod'
import { shellWord } from '../../base/printable.ts'
import type { Consul } from '../../consul/http.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { changeDrained, drainLine } from '../../operate/drain.ts'
import { evict, evictionLine, instanceEviction } from '../../operate/evict.ts'
import { outlookOf } from '../../operate/plan/outlook.ts'
import { outlookLines } from '../../operate/plan/page.ts'
import type { Changes } from '../../operate/plan/what-if.ts'
import { mustKnow } from '../../program/operator.ts'
import { act } from '../act.ts'
import { nothing } from '../views/plan.ts'
import { instance } from './fields.ts'

const args = z.strictObject(instance)

/** What would move, in the lines of `plan`. */
async function wouldMove(consul: Consul, service: string, changes: Partial<Changes>): Promise<string[]> {
  const cluster = await lookAtCluster(consul, service)
  return outlookLines(await outlookOf(consul, cluster, { ...nothing, ...changes }))
}

export const drain = act({
  name: 'drain',
  about: 'An instance gives up its partitions and stays in the cluster.',
  args,
  command: ({ service, instance }) => `watchbill drain ${shellWord(service)} ${shellWord(instance)}`,
  async run(consul, { service, instance }, dryRun) {
    await mustKnow(consul, service)
    const one = { service, instance, on: true, dryRun }
    const line = drainLine(one, await changeDrained(consul, one))
    const isMember = async () =>
      (await lookAtCluster(consul, service)).members.some(member => member.instance === instance)
    return dryRun && (await isMember()) ? [line, ...(await wouldMove(consul, service, { drain: [instance] }))] : [line]
  },
})

export const undrain = act({
  name: 'undrain',
  about: 'A drained instance takes part again.',
  args,
  command: ({ service, instance }) => `watchbill drain ${shellWord(service)} ${shellWord(instance)} off`,
  async run(consul, { service, instance }, dryRun) {
    await mustKnow(consul, service)
    const one = { service, instance, on: false, dryRun }
    return [drainLine(one, await changeDrained(consul, one))]
  },
})

export const evictOne = act({
  name: 'evict',
  about: 'A dead instance is taken out of the cluster for good.',
  args,
  command: ({ service, instance }) => `watchbill evict ${shellWord(service)} ${shellWord(instance)}`,
  async run(consul, { service, instance }, dryRun) {
    await mustKnow(consul, service)
    const eviction = instanceEviction(await lookAtCluster(consul, service), instance, false)
    if (!dryRun) await evict(consul, eviction)
    return [
      `${dryRun ? 'would evict' : 'evicted'} ${evictionLine(eviction)}; locks are taken over after their takeover wait`,
    ]
  },
})
