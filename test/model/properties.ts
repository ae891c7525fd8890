/** Properties that hold for lib, and fail for its mutants. */
import fc from 'fast-check'
import { type Action, actionsOf, anyActions, type Kind } from './actions.ts'
import { Faults } from './faults.ts'
import { Fleet } from './fleet.ts'
import type { Lib } from './load.ts'
import type { Calm, Per } from './participant.ts'

const patient = { lease: 10_000, grace: 3000, interval: 2000 }
const terms = fc.constantFrom(
  patient,
  { lease: 7000, grace: 2000, interval: 2000 },
  { lease: 4000, grace: 1000, interval: 1000 },
)

const options = fc.record({
  seed: fc.noShrink(fc.nat()),
  hosts: fc.integer({ min: 2, max: 3 }),
  partitions: fc.constantFrom(['0', '1'], ['0', '1', 'a/b', '%2E']),
  terms,
})

/**
 * Whatever faults occur: a partition never has two owners, no process outlives its lost lock by more than L + G, and in
 * the end each partition has one owner.
 * @param options.within how long the cluster may take to settle after the last fault, ms
 */
export function neverTwoOwners(
  lib: Lib,
  actions: fc.Arbitrary<Action[]> = anyActions,
  { within, per = 'partition', calm = {} }: Options = {},
) {
  return fc.asyncProperty(options, actions, (options, actions) =>
    told(new Fleet(lib, { ...options, per, calm }), async fleet => {
      const faults = new Faults(fleet)
      await fleet.settle()
      for (const action of actions) await faults.apply(action)
      await fleet.run(20_000)
      faults.allWell()
      await fleet.settle(within)
    }),
  )
}

interface Options {
  readonly within?: number
  readonly per?: Per | undefined
  readonly calm?: Calm | undefined
}

/** Longer than anything else in a run. */
const longWait = { wait: '10m' }
/** After which a lost partition runs elsewhere, ms: gossip, W, two ticks. */
const takenOverWithin = 32_000

/** What an instance held does not wait for it after these actions, although its definition says so. */
export function nobodyIsWaitedFor(lib: Lib, actions: fc.Arbitrary<Action[]>) {
  return fc.asyncProperty(options, actions, (options, actions) =>
    told(new Fleet(lib, { ...options, terms: patient, per: 'partition', calm: longWait }), async fleet => {
      const faults = new Faults(fleet)
      await fleet.settle()
      for (const action of actions) await faults.apply(action)
      await fleet.run(takenOverWithin)
      const running = fleet.running()
      const idle = fleet.partitions().filter(id => !running.has(id))
      if (idle.length > 0) fleet.world.forbid(`${idle.join(', ')} waits for an instance that is drained or leaves`)
      if (fleet.world.violation) throw fleet.world.violation
    }),
  )
}

/** After these actions the same processes run as before. @param most so many of them in a row outlast no lease */
export function nobodyIsStopped(lib: Lib, kinds: readonly Kind[], per: Per = 'partition', most = 3) {
  const few = actionsOf(kinds).map(actions => actions.slice(0, most))
  return fc.asyncProperty(options, few, (options, actions) =>
    told(new Fleet(lib, { ...options, terms: patient, per }), async fleet => {
      const faults = new Faults(fleet)
      await fleet.settle()
      const before = fleet.running()
      for (const action of actions) await faults.apply(action)
      await fleet.run(30_000)
      const ended = [...before.values()].flat().filter(({ host, run }) => !host.processes.has(run.shepherd.pid))
      for (const { run } of ended) fleet.world.forbid(`the process of ${run.partition} was stopped`)
      await fleet.settle()
    }),
  )
}

/** With `"whenIsolated": "keep"`: nothing ends on a machine that is cut off, and afterwards each partition has one owner. */
export function goesOnWhileCutOff(lib: Lib, actions: fc.Arbitrary<Action[]>) {
  const one = actions.filter(([first]) => first?.do === 'cut' && (first.for ?? 0) > 0).map(all => all.slice(0, 1))
  return fc.asyncProperty(options, one, (options, [action]) =>
    told(new Fleet(lib, { ...options, per: 'partition', calm: { whenIsolated: 'keep' } }), async fleet => {
      const faults = new Faults(fleet)
      await fleet.settle()
      const before = [...fleet.running().values()].flat()
      await faults.apply(action as Action)
      await fleet.run((action?.for ?? 0) - 1)
      const mustRun = (runs: typeof before, when: string) => {
        const now = new Set([...fleet.running().values()].flat().map(({ run }) => run))
        for (const { run } of runs)
          if (!now.has(run)) fleet.world.forbid(`the process of ${run.partition} was stopped ${when}`)
      }
      const cut = before.filter(({ host }) => host.cut)
      mustRun(cut, 'while cut off')
      faults.allWell()
      await fleet.settle()
      const alone = cut.filter(({ run }) => !fleet.judge.wasTaken(run))
      mustRun(alone, 'although nobody else had it')
      if (fleet.world.violation) throw fleet.world.violation
    }),
  )
}

/** Adds the sequence of events to the error. */
async function told(fleet: Fleet, story: (fleet: Fleet) => Promise<void>): Promise<void> {
  try {
    await story(fleet)
  } catch (error) {
    throw new Error([(error as Error).message, ...fleet.world.trace].join('\n    '))
  }
}
