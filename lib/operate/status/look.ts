/** Looks at services for `status`, and looks again when an answer may be too old. */
import { setTimeout as delay } from 'node:timers/promises'
import { reason, Temporary } from '../../base/errors.ts'
import type { Consul } from '../../consul/http.ts'
import { explained } from '../../consul/leader.ts'
import { knownServices } from '../../keys/services.ts'
import { waitLimit } from '../../program/operator.ts'
import { checkLine } from './page.ts'
import { readStatus, type Status } from './status.ts'

/**
 * Servers without a leader delay requests until they have one, and then answer at once, before any guard could report that
 * its lease is over. So a look that took `slow` ms, or followed a failed one, is repeated after `settle` ms: by then every
 * guard has reported. (Seen on 1.8.7: "4 running", 11 s after the processes had ended.)
 */
export const usual = { slow: 2000, settle: 3000, every: 200 }
export type Pace = typeof usual

/** The status of one service, or of all. @throws Temporary, Permanent as `readStatus` */
export async function look(consul: Consul, service: string | undefined, pace: Pace = usual): Promise<Status[]> {
  const begun = performance.now()
  const all = await lookOnce(consul, service)
  if (performance.now() - begun < pace.slow || isNothing(all)) return all
  await delay(pace.settle)
  return lookOnce(consul, service)
}

async function lookOnce(consul: Consul, service: string | undefined): Promise<Status[]> {
  const services = service === undefined ? await knownServices(consul) : [service]
  return Promise.all(services.map(service => readStatus(consul, service)))
}

/**
 * Looks until Consul answers and every service is well.
 * @param wait a duration, such as 30s @throws Temporary that says what is not well
 */
export async function lookUntilWell(
  consul: Consul,
  service: string | undefined,
  wait: string,
  pace: Pace = usual,
): Promise<Status[]> {
  const end = performance.now() + waitLimit(wait)
  let believed = true
  for (;;) {
    const all = await look(consul, service, pace).catch(error => failure(consul, error))
    const isWell = Array.isArray(all) && all.every(({ ok }) => ok)
    if (isWell && (believed || isNothing(all))) return all
    if (performance.now() > end)
      throw new Temporary(`cannot wait longer than ${wait}: ${whyNot(all)}; see watchbill status`)
    // After a failed look, believe "well" only if it is still so after every guard has reported.
    await delay(isWell ? pace.settle : pace.every)
    believed = Array.isArray(all)
  }
}

/** There are no partitions, so nothing can have stopped. */
function isNothing(all: readonly Status[]): boolean {
  return all.every(({ partitions }) => partitions.length === 0)
}

function whyNot(all: readonly Status[] | string): string {
  if (typeof all === 'string') return all
  const bad = all.find(({ ok }) => !ok)
  return bad === undefined ? 'Consul has only just answered' : checkLine(bad)
}

/** Why the look failed, in words. @throws the error when waiting cannot help */
async function failure(consul: Consul, error: unknown): Promise<string> {
  if (error instanceof Temporary) return reason(await explained(consul, error)).replace(/; is it up\?.*$/, '')
  throw error
}
