/**
 * Keeps the partitions' services in the agent correct: registered while the process is ours, removed when it is not.
 */
import { existsSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'
import { checkId, partitionServiceId } from '../keys/service-ids.ts'
import { readFact, removeFact, writeFactIfWanted } from '../state/facts.ts'
import type { Local } from '../state/local.ts'
import { localPartitions } from '../state/paths.ts'
import { isReadyByCheck, readyCheck } from '../state/ready.ts'
import type { Run } from '../state/self.ts'
import { isFinished } from '../state/shepherd-status.ts'
import { agentChecks, deregister, isRegistered, register, registration, report, runsCheck } from './catalog.ts'
import { isRunning } from './stale.ts'
import type { Status } from './state.ts'
import { isHere, type Watched } from './watched.ts'

/**
 * Registers and deregisters services that differ, and reports whether each process runs.
 * @throws Temporary when the agent does not answer: the next round continues
 */
export async function keepRegistered(
  run: Run,
  definition: Definition,
  local: ReadonlyMap<string, Local>,
  all: readonly Watched[],
): Promise<void> {
  const wanted = isRegistered(definition) ? [...local].filter(([, one]) => isHere(one)) : []
  const known = await agentChecks(run.consul, definition)
  const here = new Set([...known.values()].map(check => check.partitionService))
  const watched = Map.groupBy(all, ({ partition }) => partition)
  for (const [partition, one] of wanted) {
    const file = run.files.partition(partition).registered
    const running = isRunning(one)
    const runs = running ? 'passing' : 'critical'
    const body = registration(definition, run.instance, partition, id =>
      id === runsCheck
        ? runs
        : (statusBeforeReport(run, definition, partition, id) ?? statusOf(watched.get(partition) ?? [], id)),
    )
    const told = digestOf(body)
    const before = readFact(file)
    if (before?.split('\n')[1] !== told || !here.has(partitionServiceId(definition.id, partition))) {
      await register(run.consul, body)
    } else if (known.get(checkId(definition.id, partition, runsCheck))?.status !== runs) {
      await report(run.consul, checkId(definition.id, partition, runsCheck), runs, one.status ?? '')
    }
    const fact = `${running}\n${told}`
    if (before !== fact) writeFactIfWanted(file, fact)
  }
  const kept = new Map(wanted.map(([partition]) => [partitionServiceId(definition.id, partition), partition]))
  // A service that was registered for a process which is starting now stays.
  const starting = localPartitions(run.files).filter(partition => isToStart(run, partition))
  const expected = new Set([...kept.keys(), ...starting.map(partition => partitionServiceId(definition.id, partition))])
  const stray = [...here].filter(service => !expected.has(service))
  for (const service of stray) await deregister(run.consul, service)
  // Earlier versions gave A and a ids that Consul treats as equal: deregistering one removes both; the next round
  // registers again.
  const gone = new Set(stray.map(service => service.toLowerCase()))
  const again = [...kept].flatMap(([service, partition]) => (gone.has(service.toLowerCase()) ? [partition] : []))
  const unwanted = [...local.keys()].filter(partition => !expected.has(partitionServiceId(definition.id, partition)))
  for (const partition of [...again, ...unwanted]) removeFact(run.files.partition(partition).registered)
}

/** It was registered for a process that is starting now: see first-word.ts. */
function isToStart({ files }: Run, partition: string): boolean {
  const { acquisition, index, status } = files.partition(partition)
  return existsSync(acquisition) && existsSync(index) && !isFinished(readFact(status))
}

/** Removes partitions from the catalog before their process is stopped, so that no client is sent to it. */
export async function unregister(run: Run, { id }: Definition, partitions: readonly string[]): Promise<void> {
  for (const partition of partitions) {
    await deregister(run.consul, partitionServiceId(id, partition))
    removeFact(run.files.partition(partition).registered)
  }
}

/** The status in Consul of a check whose process has not reported yet; null for any other check. */
export function statusBeforeReport(
  { files }: Run,
  definition: Definition,
  partition: string,
  check: string,
): Status | null {
  if (check !== readyCheck(definition)) return null
  const own = files.partition(partition)
  const acquisition = readFact(own.acquisition)
  return acquisition !== null && isReadyByCheck(own, acquisition) ? null : 'critical'
}

function statusOf(all: readonly Watched[], check: string): Status {
  return all.find(watched => watched.check.id === check)?.state.status ?? 'passing'
}

/** The digest of a registration without the checks' statuses: a changed status is no reason to register again. */
export function digestOf(body: Record<string, unknown>): string {
  return JSON.stringify(body, (key, value) => (key === 'Status' ? undefined : value))
}
