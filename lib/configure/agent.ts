/** What the running agent says of itself, and what it lacks. */
import { Consul } from '../consul/http.ts'
import { debugLine } from '../frame.ts'

export interface Agent {
  readonly node: string
  readonly version: string
  /** Its own settings by name; null where it does not tell. */
  readonly settings: Readonly<Record<Need, boolean | null>>
}

/**
 * The settings that an agent needs, and why.
 * - It runs what stands in its configuration files, and nothing that comes over HTTP.
 * - A graceful leave at a restart destroys the session, and the locks with it; a client's default is to leave.
 */
export const needs = { enable_local_script_checks: true, leave_on_terminate: false } as const
export type Need = keyof typeof needs

interface Self {
  readonly Config?: { readonly NodeName?: string; readonly Version?: string }
  readonly DebugConfig?: Readonly<Record<string, unknown>>
}

/** Asks the agent. @throws Temporary when it does not answer; Permanent when it refuses. */
export async function askAgent(): Promise<Agent> {
  const consul = new Consul({ debug: debugLine })
  try {
    const { Config, DebugConfig = {} } = await consul.json<Self>('GET', '/v1/agent/self')
    const told = (...names: string[]) =>
      names.map(name => DebugConfig[name]).filter(value => typeof value === 'boolean')
    const scripts = told('EnableLocalScriptChecks', 'EnableRemoteScriptChecks')
    return {
      node: Config?.NodeName ?? '',
      version: Config?.Version ?? '',
      settings: {
        enable_local_script_checks: scripts.length === 0 ? null : scripts.includes(true),
        leave_on_terminate: told('LeaveOnTerm')[0] ?? null,
      },
    }
  } finally {
    consul.close()
  }
}

/** The settings that the agent is known to have otherwise. */
export function lacking({ settings }: Agent): Need[] {
  const names = Object.keys(needs) as Need[]
  return names.filter(name => settings[name] !== null && settings[name] !== needs[name])
}
