/**
 * What the guard has found due while Consul does not answer, done as the only handler of the instance: a stand-in starts or ends,
 * and after a boot what this machine had at the last proof is started. Consul may have answered since: then nothing starts.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { readRan } from '../act/ran.ts'
import { killStrays, leftOutside } from '../act/strays.ts'
import { bootClock } from '../base/clock.ts'
import { listed } from '../base/text.ts'
import { Consul } from '../consul/http.ts'
import type { Definition } from '../definition/definition.ts'
import { bootable, isWithin } from '../guard/cut-off.ts'
import { everyRunner } from '../guard/doomed.ts'
import { membersOf } from '../process/containment/containment.ts'
import type { Start } from '../process/shepherd/start.ts'
import { endStandIn, standInRuns, startStandIn } from '../process/stand-in.ts'
import { startShepherds } from '../process/start.ts'
import { definitionInForce } from '../state/definition.ts'
import { readFact } from '../state/facts.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { writeKept } from '../state/kept.ts'
import { clockStep, instanceLease } from '../state/lease.ts'
import { changingLeases } from '../state/lease-lock.ts'
import { hasLeft } from '../state/left.ts'
import { acquisitionOf, type Local, localFacts, termsOf } from '../state/local.ts'
import { appendLog } from '../state/log.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import { hasStandIn } from '../state/stand-in.ts'
import { writePartitionLease } from '../state/worker-lease.ts'

/** How often it is looked whether they are gone, how much longer than G that may take, and the longest wait, ms. */
const poll = 200
const slack = 3000
const longestWait = 30_000

export interface Due {
  readonly standIn: 'run' | 'end' | null
  readonly onBoot: boolean
}

/** @returns what was done, for the log; null when another handler is at work */
export async function whileCutOff(self: Self, due: Due): Promise<string | null> {
  const said: string[] = []
  if (due.standIn === 'run') await untilQuiet(self)
  const alone = await asOnlyHandler(self.files.directory, async () => {
    const definition = definitionInForce(self.files)?.definition
    if (definition === undefined || hasLeft(self.files)) return
    const isOver = leaseIsOver(self, definition)
    if (hasStandIn(self.files) && (due.standIn === 'end' || !isOver)) {
      await endStandIn(self.files)
      said.push('ended the stand-in')
    }
    if (isOver && due.standIn === 'run') said.push(...(await standIn(self, definition)))
    if (isOver && due.onBoot && definition.onBoot !== undefined) said.push(...(await startAgain(self, definition)))
  })
  return alone ? said.join('; ') || 'nothing to do' : null
}

/** Whether Consul has not answered since. */
function leaseIsOver({ files }: Self, { leaseMs }: Definition): boolean {
  const now = bootClock()
  const t0 = instanceLease(files, now)
  return t0 === null || t0 + leaseMs <= now
}

/** Its processes stop at the end of their lease. What takes longer than their grace period is left to the next tick. */
async function untilQuiet({ files }: Self): Promise<void> {
  const { graceMs = 0 } = definitionInForce(files)?.definition.stop ?? {}
  const end = bootClock() + Math.min(graceMs + slack, longestWait)
  while (bootClock() < end && !isQuiet(files)) await delay(poll)
}

function factsNow(files: InstanceFiles): Map<string, Local> {
  const now = bootClock()
  return localFacts(files, instanceLease(files, now), now)
}

function isQuiet(files: InstanceFiles): boolean {
  return [...factsNow(files).values()].every(one => !one.leaseRuns && one.shepherd === null && one.process === null)
}

/** Nothing is left either that a shepherd left behind which was killed, nor of a worker that is being ended. */
function nothingIsLeft(files: InstanceFiles): boolean {
  return isQuiet(files) && membersOf(everyRunner(files, factsNow(files))).size === 0
}

/** Nothing else of the instance may run beside it. */
async function standIn(self: Self, definition: Definition): Promise<string[]> {
  const { files } = self
  const { whenIsolated } = definition
  if (typeof whenIsolated !== 'object' || standInRuns(files)) return []
  if (!nothingIsLeft(files) || !(await isWithin(whenIsolated, limit => new Consul({ limit })))) return []
  const own = [...factsNow(files)].flatMap(([id, one]) => (acquisitionOf(one) === null ? [] : [id]))
  if ((await leftOutside(logging(self), definition, own)).size > 0 || !leaseIsOver(self, definition)) return []
  if (hasStandIn(files)) await endStandIn(files)
  return [await startStandIn(self, definition, whenIsolated)]
}

/** Each runs under the acquisition that this machine had at the last proof, as if it had gone on. */
async function startAgain(self: Self, definition: Definition): Promise<string[]> {
  const ids = await withoutStrays(self, definition, bootable(self.files))
  const starts = ids.flatMap(id => startOf(self, id) ?? [])
  if (starts.length === 0) return []
  changingLeases(self.files, () => {
    for (const { files, acquisition, lease } of starts) {
      const now = bootClock()
      // It ends now: who held the lock meanwhile is not known, so only its value says whether it may be taken back.
      writePartitionLease(files, { from: now + clockStep, own: Math.max(0, now - lease) })
      writeKept(files, acquisition, { answered: null })
    }
  })
  await startShepherds(definition, await withCommands(self, definition, starts))
  return [`started ${listed(ids)} again before Consul is reached, since onBoot is "keep"`]
}

function logging(self: Self) {
  return { ...self, log: (line: string) => appendLog(self.files.log, `${self.instance} cut-off: ${line}`) }
}

/** Those of which nothing of an earlier run is left, neither here nor outside; none once Consul has answered meanwhile. */
async function withoutStrays(self: Self, definition: Definition, ids: readonly string[]): Promise<readonly string[]> {
  const steps = ids.map(partition => ({ do: 'start', partition }) as const)
  const left = await killStrays(logging(self), { definition, local: factsNow(self.files) }, steps)
  return leaseIsOver(self, definition) ? ids.filter(id => !left.has(id)) : []
}

async function withCommands({ files }: Self, definition: Definition, starts: readonly Start[]) {
  if (definition.run.choose === undefined) return starts
  const { withCommands: chosen } = await import('../act/choose.ts')
  return chosen(definition, starts, line => appendLog(files.log, line))
}

function startOf({ files, service, instance, node }: Self, partition: string): Start | null {
  const own = files.partition(partition)
  const [acquisition, token, terms] = [readFact(own.acquisition), readFact(own.token), termsOf(own)]
  if (acquisition === null || token === null || terms === null) return null
  const { lease, grace } = terms
  return { files: own, service, instance, node, partition, acquisition, token, ...readRan(own), lease, grace }
}
