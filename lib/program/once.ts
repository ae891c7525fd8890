/** Runs one reconcile for a program: opens the connection to Consul and the log, or makes a dry run. */

import { realNodeIn } from '../act/misplaced.ts'
import { reportHindrance } from '../act/report.ts'
import { reason } from '../base/errors.ts'
import { instanceName, keysOf } from '../base/names.ts'
import { Consul } from '../consul/http.ts'
import { missingPermission } from '../consul/permission.ts'
import { look } from '../look/look.ts'
import { rememberLooked } from '../look/looked.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { plan } from '../plan/plan.ts'
import type { Step } from '../plan/step.ts'
import { reconcile } from '../reconcile.ts'
import { assigned } from '../roster/assignment.ts'
import { definitionInForce } from '../state/definition.ts'
import { leftToOther } from '../state/handler-mark.ts'
import { appendLog } from '../state/log.ts'
import type { Run, Self } from '../state/self.ts'
import { debugLine } from './frame.ts'

/** A Run for this instance. The caller closes its Consul. @param by who asks for it; the instance itself when left out */
export function runOf(program: string, here: Self, by?: (consul: Consul) => Promise<string>): Run {
  const consul: Consul = new Consul({ debug: debugLine, by: async () => (by ? by(consul) : here.instance) })
  return {
    ...here,
    consul,
    log: line => appendLog(here.files.log, `${here.instance} ${program}: ${line}`),
  }
}

/** @returns a sentence about what was done; for a dry run the steps, one a line, and then the sentence */
export async function reconcileOnce(program: string, here: Self, dryRun: boolean): Promise<string | string[]> {
  const run = runOf(program, here)
  try {
    if (dryRun) return await dry(run)
    const sentence = await reconcile(run)
    return `${here.instance}: ${sentence ?? leftToOther}`
  } catch (error) {
    if (!dryRun && (await isNews(run, error))) run.log(`failed: ${reason(error)}`)
    throw error
  } finally {
    run.consul.close()
  }
}

/**
 * Whether to log the error. Three errors are written into the report and logged only once; until they are gone, a look every
 * 10 s is enough: a missing permission, a node with another name, and an unusable definition of an instance that has never
 * had a usable one and so does not take part.
 */
async function isNews(run: Run, error: unknown): Promise<boolean> {
  const realNode = realNodeIn(error)
  const isOut = error instanceof Error && error.name === 'Permanent' && definitionInForce(run.files) === null
  if (missingPermission(error) === null && realNode === null && !isOut) return true
  // Report under the name that the agent registered: other machines know only that name.
  const instance = realNode === null ? run.instance : instanceName(realNode, run.serviceId)
  try {
    rememberLooked(run.files)
    return await reportHindrance({ ...run, instance }, keysOf(run.service), reason(error))
  } catch {
    return true // the token may not write the report either
  }
}

async function dry(run: Run): Promise<string[]> {
  const { snapshot } = await look(run, false)
  const { steps, sentence } = plan(snapshot, (await assigned(snapshot)).placed)
  const removal = (await removalOf(run, snapshot, steps)) ?? []
  return [...steps.map(step => JSON.stringify(step)), removal, `${run.instance}: would do: ${sentence}`].flat()
}

/** A line about partitions that the definition would remove and nobody has applied; null when there are none. */
async function removalOf(run: Run, snapshot: Snapshot, steps: readonly Step[]): Promise<string | null> {
  const own = snapshot.proposals.get(run.instance)
  if (!snapshot.defined || (own === undefined && steps.every(step => step.do !== 'define'))) return null
  const { removalNotice } = await import('../act/proposal.ts')
  return removalNotice(run, snapshot, own)
}
