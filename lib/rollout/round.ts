/** One round of what an instance does for roll-outs and versions: the guard starts one at each tick while something is due. */
import { look } from '../look/look.ts'
import { startDetached } from '../process/beside.ts'
import { isAnythingDue, rollWork } from '../roll/due.ts'
import { makeDirectory, removeFact } from '../state/facts.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { leftToOther } from '../state/handler-mark.ts'
import type { Run } from '../state/self.ts'
import { advance } from './advance.ts'
import { prepare } from './prepare.ts'

/** @returns what was done, as a sentence @throws Temporary when Consul or the state directory fails: the next tick goes on */
export async function rollOut(run: Run, wake = () => startDetached('reconcile', run)): Promise<string> {
  makeDirectory(run.files.rollLock)
  let done = 'nothing to do'
  const alone = await asOnlyHandler(run.files.rollLock, async () => {
    const { snapshot } = await look(run, false)
    const work = rollWork(snapshot)
    if (!isAnythingDue(work)) return removeFact(run.files.rollDue)
    if (await prepare(run, snapshot, work)) wake() // its member key is to say so
    if (work.leads) done = await advance(run, snapshot)
    else done = `prepares: ${work.prepare.join(', ') || 'nothing'}; cleans: ${work.clean.join(', ') || 'nothing'}`
  })
  return alone ? done : leftToOther
}
