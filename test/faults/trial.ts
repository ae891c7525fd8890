/** One trial: one or more faults, their duration, the heal, the wait until everything runs again, and the verdict. */
import { setTimeout as pause } from 'node:timers/promises'
import { bootClock } from '../../lib/base/clock.ts'
import { reason } from '../../lib/base/errors.ts'
import { type Beat, disorder } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { type DefinitionFile, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { judgeBeside, type Struck, unsettledBeside } from './beside.ts'
import type { Fault, Scene } from './fault.ts'
import type { Lab } from './lab.ts'
import { Random } from './random.ts'
import { type Frozen, judge, mostResidual, type Verdict } from './verdict.ts'

export interface Trial {
  readonly faults: readonly Fault[]
  /** The host that each fault hits; for the leader or a follower it is known only when the fault begins. */
  readonly hosts: readonly string[]
  /** How long after the first fault each begins, ms. */
  readonly delays: readonly number[]
  readonly seed: number
  /** The time without an owner is not judged. */
  readonly anyGap?: true
}

export interface Outcome extends Verdict {
  readonly faultNames: readonly string[]
  readonly hosts: readonly string[]
  readonly seconds: number
  /** How long the services beside the ordinary one ran twice, ms; left out when there are none. */
  readonly twice?: number
}

interface Hit {
  readonly frozen: readonly Frozen[]
  readonly host: string
  readonly from: number
  readonly healed: number
}

/** Before a fault, everything must have beaten undisturbed for this long, ms. */
const peace = 500

/** @throws Error when a fault could not be caused or healed */
export async function run(lab: Lab, trial: Trial): Promise<Outcome> {
  await lab.settled()
  lab.forget()
  await pause(peace)
  const from = bootClock()
  const hits = await all(trial.faults.map((fault, at) => hit(lab, fault, trial, at)))
  const { beats, unsettled } = await settle(lab)
  const [fault] = trial.faults as [Fault]
  const own = beats.filter(({ partition }) => lab.partitions.includes(partition))
  const beside = lab.beside.length > 0 ? judgeBeside(beats, struck(lab, trial, hits)) : { twice: 0, faults: [] }
  const alone = trial.faults.length === 1
  const gap =
    alone && !trial.anyGap && !lab.isRolling && !(fault.anyGapForBareRoot && lab.isBareRoot) ? fault.gap : 'any'
  const verdict = judge(own, lab.partitions, {
    from,
    gap,
    limit: lab.limit + (alone && fault.limit ? fault.limit - lab.lease - lab.grace : 0),
    losses: lab.witness.losses(id => `${lab.definition.name}/${id}`),
    frozen: hits.flatMap(({ frozen }) => frozen),
    residual: Math.max(mostResidual, ...trial.faults.map(({ residual = 0 }) => residual)),
    // A roll-out starts processes, too.
    starts: alone && fault.starts && !lab.isRolling ? { most: fault.starts, until: (hits[0] as Hit).healed } : null,
    slowUntil: alone && fault.slows ? (hits[0] as Hit).healed : null,
  })
  return {
    ...verdict,
    faults: [...unsettled, ...verdict.faults, ...beside.faults],
    ...(lab.beside.length > 0 && { twice: beside.twice }),
    faultNames: trial.faults.map(({ name }) => name),
    hosts: hits.map(({ host }) => host),
    seconds: Math.round((bootClock() - from) / 1000),
  }
}

/** Faults that nothing gets through, in either direction, and that hurt nothing else. */
const cuts = ['host-cut', 'link-down']

function struck(lab: Lab, { faults }: Trial, hits: readonly Hit[]): Struck[] {
  const isCut = (at: number) => hits.length === 1 && cuts.includes(faults[at]?.name ?? '')
  return lab.clients.flatMap(agent =>
    hits.map(({ host, from, healed: to }, at) => {
      const instance = instanceOf(agent, lab.beside[0] as DefinitionFile)
      return { instance, from, to, isCut: agent.name === host && isCut(at) }
    }),
  )
}

/** The results of all, once the last one has ended: after a failure nothing goes on unnoticed. */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(promises)
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}

async function hit(lab: Lab, fault: Fault, trial: Trial, at: number): Promise<Hit> {
  await pause(trial.delays[at] ?? 0)
  const agent = await whom(lab, fault, trial, at)
  const scene: Scene = { lab, agent, host: lab.host(agent), random: new Random(trial.seed + at) }
  const failed = (error: unknown): never => {
    throw new Error(`cannot bring about ${fault.name} on ${agent.name}: ${reason(error)}`)
  }
  await fault.prepare?.(scene).catch(failed)
  const from = bootClock()
  const heal = await fault.inject(scene).catch(failed)
  if (typeof fault.lasts === 'number') await pause(fault.lasts)
  else await lab.takenOver(agent, fault.lasts.takenOverWithin)
  const to = bootClock()
  await heal()
  const frozen = fault.freezes ? [{ instance: lab.instance(agent), from, to }] : []
  return { frozen, host: agent.name, from, healed: to }
}

async function whom(lab: Lab, fault: Fault, trial: Trial, at: number): Promise<Agent> {
  if (fault.hits === 'client') return lab.cluster.agent(trial.hosts[at] as string)
  const leader = await lab.cluster.leader()
  if (fault.hits === 'leader') return leader
  return new Random(trial.seed).pick(lab.servers.filter(server => server !== leader))
}

/** The beats at a moment when everything was right. When there was none: the last beats, and why, in one sentence. */
async function settle(lab: Lab): Promise<{ beats: Beat[]; unsettled: string[] }> {
  try {
    await lab.settled()
    const beats = await until(
      'everyone to beat',
      async see => {
        const beats = await lab.beats()
        const own = beats.filter(({ partition }) => lab.partitions.includes(partition))
        if (lab.beside.length > 0 && see(unsettledBeside(beats)).length > 0) return false
        return see(disorder(own, lab.partitions)).every(fault => !/no owner|no partition/.test(fault)) && beats
      },
      { every: 200, deadline: lab.beside.length > 0 ? 60_000 : 20_000 },
    )
    return { beats, unsettled: [] }
  } catch (error) {
    return { beats: await lab.beats(), unsettled: [reason(error)] }
  }
}
