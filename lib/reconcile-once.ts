/** One reconcile as a program runs it: its Consul, its log, its dry run. */
import { Consul } from './consul/http.ts'
import { debugLine } from './frame.ts'
import type { ThisInstance } from './instance-args.ts'
import { lookAndPlan, type Reconcile, reconcile } from './reconcile.ts'
import { elsewhere } from './state/handler-mark.ts'
import { appendLog } from './state/log.ts'

/** What acting needs. The caller closes its Consul. */
export function contextOf(program: string, here: ThisInstance): Reconcile {
  return {
    ...here,
    consul: new Consul({ debug: debugLine }),
    log: line => appendLog(here.files.log, `${here.instance} ${program}: ${line}`),
  }
}

/** @returns the sentence that tells what was done, or would be */
export async function reconcileOnce(program: string, here: ThisInstance, dryRun: boolean): Promise<string> {
  const run = contextOf(program, here)
  try {
    if (dryRun) return await dry(run)
    const sentence = await reconcile(run)
    return `${here.instance}: ${sentence ?? elsewhere}`
  } catch (error) {
    run.log(`failed: ${(error as Error).message}`)
    throw error
  } finally {
    run.consul.close()
  }
}

async function dry(run: Reconcile): Promise<string> {
  const { steps, sentence } = await lookAndPlan(run)
  return [...steps.map(step => JSON.stringify(step)), `${run.instance}: would do: ${sentence}`].join('\n')
}
