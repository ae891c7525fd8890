/** The built-in reactions to a check. Each writes what it wants, then runs a reconcile, which carries it out. */

import { bootClock, bootId, seconds } from '../base/clock.ts'
import { keysOf } from '../base/names.ts'
import type { BuiltIn } from '../definition/checks.ts'
import type { Definition } from '../definition/definition.ts'
import { checkOf, type Event } from '../hooks/event.ts'
import { beginCoolDown } from '../keys/cool-down.ts'
import { changeSettings, withDrain, withoutDrain } from '../keys/settings.ts'
import { reconcile } from '../reconcile.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'

/**
 * @returns what was done, as a sentence
 * @throws Temporary when Consul is away: it is tried again
 */
export async function react(run: Run, definition: Definition, event: Event, reaction: BuiltIn): Promise<string> {
  const { partition } = event
  const check = checkOf(definition, event)
  if (partition === null || check === null) return 'nothing to do: the definition has no such check any more'
  // The partition was acquired again since, here or elsewhere: the event is about an older process.
  const acquisition = readFact(run.files.partition(partition).acquisition)
  if (acquisition === null || !event.id.startsWith(`${acquisition}.`))
    return 'nothing to do: the partition is not here any more'
  const why = `check ${check.id} of ${partition} was ${event.details.Status}`
  if (reaction === 'restart') return restart(run, partition, why)
  return reaction === 'drain' ? drain(run, check.coolDownMs, why) : release(run, partition, check, why)
}

async function restart(run: Run, partition: string, why: string): Promise<string> {
  writeFact(run.files.partition(partition).restart, why)
  await reconcile(run)
  return 'restarted'
}

async function release(
  run: Run,
  partition: string,
  { coolDownMs, movesPerHour }: { readonly coolDownMs: number; readonly movesPerHour: number },
  why: string,
): Promise<string> {
  const { instance } = run
  const keys = keysOf(run.service)
  const begun = await beginCoolDown(run.consul, keys, partition, { instance, coolDownMs, why }, movesPerHour)
  if (!begun) {
    const stays = `stays here: ${why}, and it moved ${movesPerHour} times within an hour`
    writeFact(run.files.partition(partition).stays, stays)
    return stays
  }
  await reconcile(run)
  return `given up; not taken back for ${seconds(coolDownMs)}`
}

async function drain(run: Run, coolDownMs: number, why: string): Promise<string> {
  const { instance } = run
  const now = bootClock()
  const until = new Date(Date.now() + coolDownMs).toISOString().slice(0, 19)
  writeFact(run.files.drained, `${bootId()} ${now + coolDownMs} ${now} ${why}, until ${until}Z`)
  await changeSettings(run.consul, keysOf(run.service), settings => withDrain(settings, instance), { why })
  await reconcile(run)
  return `everything given up; nothing taken for ${seconds(coolDownMs)}`
}

/** Ends this instance's drain when the drain was caused by a check and its time is over. @returns whether it ended one */
export async function endDrain(run: Run): Promise<boolean> {
  if (!isDrainOver(readFact(run.files.drained), bootClock())) return false
  const said = { why: 'the time of the drain that a check asked for is over' }
  await changeSettings(run.consul, keysOf(run.service), settings => withoutDrain(settings, [run.instance]), said)
  removeFact(run.files.drained)
  return true
}

/** Also over after another boot, or after the boot clock was reset: then the drain began in the future. */
function isDrainOver(text: string | null, now: number): boolean {
  const [boot, until, begun] = text?.split(' ') ?? []
  return boot !== undefined && (boot !== bootId() || now >= Number(until) || Number(begun) > now)
}
