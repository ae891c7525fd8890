/** Runs the commands of hooks. Each goes on by itself, because the program that started it may be killed. */

import { textOf } from '../base/tail.ts'
import { confined } from '../definition/confine.ts'
import type { Definition } from '../definition/definition.ts'
import { commonEnvironment } from '../definition/environment.ts'
import { expand } from '../definition/expand.ts'
import { parseProcess, stateOf } from '../machine/identity.ts'
import { launchAll } from '../machine/launch.ts'
import { refusal } from '../state/bounded.ts'
import { readLine, removeFact, writeFact } from '../state/facts.ts'
import type { Self } from '../state/self.ts'
import type { Event } from './event.ts'

const script = `${import.meta.dirname}/hook.sh`
/** How long a hook may take, ms. */
export const hookLimit = 60_000

/**
 * The limit of a `releasing` hook, after which its partition is stopped; also how long all of them together may delay
 * a stop, ms.
 */
export const releasingLimit = 5000

/** One hook of one event, and the directory where it runs. */
export interface Hook {
  readonly directory: string
  readonly event: Event
  readonly command: readonly string[]
}

/** The stdin of a hook: one line of JSON. A check has Consul's own field names. */
export function hookInput(
  { instance, node, service }: Self,
  event: Event,
  { title }: Pick<Definition, 'title'> = {},
): Record<string, unknown> {
  return {
    Event: event.event,
    EventID: event.id,
    At: event.at,
    Service: service,
    Title: title, // left out when there is none
    Instance: instance,
    Node: node,
    Partition: event.partition,
    ...event.details,
  }
}

/** Starts hooks. One that runs, or whose result is not read yet, is not started again. */
export async function startHooks(run: Self, definition: Definition, hooks: readonly Hook[]): Promise<void> {
  if (hooks.length === 0) return
  const why = await refusal(run.files.directory, definition)
  if (why !== null) return refuse(hooks, why)
  const launches = hooks.map(({ directory, event, command }) => {
    const limit = event.event === 'releasing' ? releasingLimit : hookLimit
    writeFact(`${directory}/input`, JSON.stringify(hookInput(run, event, definition)))
    const own = confined(definition.run, expand(command, valuesOf(run, event)))
    const args = [directory, String(limit / 1000), ...own]
    return { directory, environment: environmentOf(run, definition, event), args }
  })
  const problem = await launchAll(script, definition.run.cwd ?? '/', launches)
  if (problem !== null) for (const { directory } of hooks) writeFact(`${directory}/exit`, '126')
}

/** Another command that runs like a hook, once: its result is read with `stateOfHook`. @param limit ms @returns why it cannot */
export function startCommand({
  directory,
  environment,
  command,
  limit,
  cwd,
}: Pick<Hook, 'directory' | 'command'> & {
  readonly environment: Readonly<Record<string, string>>
  readonly limit: number
  readonly cwd: string
}): Promise<string | null> {
  writeFact(`${directory}/input`, '')
  return launchAll(script, cwd, [{ directory, environment, args: [directory, String(limit / 1000), ...command] }])
}

/** A hook that this machine's limits do not allow has failed: it is tried again for a while, as any other. */
function refuse(hooks: readonly Hook[], why: string): void {
  for (const { directory } of hooks) {
    writeFact(`${directory}/output`, why)
    writeFact(`${directory}/exit`, '126')
  }
}

function valuesOf(run: Self, { partition, details }: Event): Record<string, string> {
  const text = (detail: unknown) => (typeof detail === 'string' ? detail : '')
  const { node, instance, service } = run
  return {
    partition: partition ?? '',
    token: text(details.Token),
    version: text(details.Version),
    node,
    instance,
    service,
  }
}

/** The environment of this instance's processes, and the event. It holds no Consul token. */
function environmentOf(run: Self, definition: Definition, event: Event): Record<string, string> {
  const values = valuesOf(run, event)
  return {
    ...commonEnvironment(definition, values),
    WATCHBILL_EVENT: event.event,
    WATCHBILL_EVENT_ID: event.id,
    WATCHBILL_PARTITION: values.partition ?? '',
    WATCHBILL_TOKEN: values.token ?? '',
  }
}

/** The state of a hook; null when it was not started, or was killed before it wrote a result. */
export function stateOfHook({
  directory,
}: Pick<Hook, 'directory'>): 'running' | { readonly failure: string | null } | null {
  const code = readLine(`${directory}/exit`)
  if (code !== null) return { failure: code === '0' ? null : inWords(directory, code) }
  const launched = parseProcess(readLine(`${directory}/launched`))
  return launched !== null && stateOf(launched) !== 'gone' ? 'running' : null
}

function inWords(directory: string, code: string): string {
  const said = textOf(`${directory}/output`, 'last', 4096).trim().split('\n').at(-1)?.slice(0, 200)
  return [code === '124' ? 'no end in time' : `exit ${code}`, said].filter(Boolean).join(': ')
}

/** Removes a result, so that the hook may be started again. */
export function forgetHook({ directory }: Pick<Hook, 'directory'>): void {
  for (const fact of ['exit', 'launched', 'output']) removeFact(`${directory}/${fact}`)
}
