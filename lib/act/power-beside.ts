/** Starts the program that powers a lost machine off, on a machine that may: the locks of a failed node wait for nothing else. */
import { bootClock, bootId } from '../base/clock.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { startDetached } from '../process/beside.ts'
import { makeDirectory, readFact, writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'

/** It is started no more often than this, ms: it goes on by itself, and there is a look at every tick. */
const pause = 5000

/** Whether a failed node, which is not this one, has lost locks, and this instance takes part. Pure. */
export function isPowerDue({ session, free, locks, registered }: Snapshot, own: string): boolean {
  if (session === null) return false
  const dead = new Set(registered.flatMap(({ instance, nodeAlive }) => (nodeAlive ? [] : [instance])))
  return [...free.keys()].some(id => {
    const last = locks.get(id)?.held?.instance
    return last !== undefined && dead.has(last) && !last.startsWith(`${own}:`)
  })
}

export function startPower(run: Run, snapshot: Snapshot): void {
  if (!isPowerDue(snapshot, run.node)) return
  const fact = `${run.files.power}/started`
  const [boot, at] = readFact(fact)?.split(' ') ?? []
  const [now, own] = [bootClock(), bootId()]
  const age = now - Number(at)
  if (boot === own && age >= 0 && age < pause) return
  makeDirectory(run.files.power)
  writeFact(fact, `${own} ${now}`)
  startDetached('power', run)
}
