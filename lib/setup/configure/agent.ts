/** Reads the running agent's settings, and finds those that it lacks. */
import { Consul } from '../../consul/http.ts'
import { debugLine } from '../../program/frame.ts'

export interface Agent {
  readonly node: string
  readonly version: string
  /** Its settings by name; null for one that it does not report. */
  readonly settings: Readonly<Record<Need, boolean | null>>
}

/**
 * The settings that an agent needs, and why.
 * - It runs script checks from its configuration files, and none that come over HTTP.
 * - A graceful leave at a restart destroys the session, and the locks with it. By default a client leaves at SIGTERM, and
 *   at SIGINT, with which Debian's unit stops it.
 */
export const needs = {
  enable_local_script_checks: true,
  leave_on_terminate: false,
  skip_leave_on_interrupt: true,
} as const
export type Need = keyof typeof needs

/**
 * Recommended settings. By default Consul allows a client 200 connections, and this machine counts as one client: its watches
 * (four per definition), guards, handlers and waiting locks share them. The agent refuses further ones, guards included.
 */
export const wants = { limits: { http_max_conns_per_client: 1000 } } as const

/** The used part of `/v1/agent/self`. Settings have their names in Consul's code, which differ between versions. */
export interface AgentSelf {
  readonly Config?: { readonly NodeName?: string; readonly Version?: string }
  readonly DebugConfig?: Readonly<Record<string, unknown>>
  readonly Stats?: Readonly<Record<string, Readonly<Record<string, string>> | undefined>>
}

/** The first of these settings that is a boolean; null when the agent reports none of them. */
export function told({ DebugConfig = {} }: AgentSelf, ...names: string[]): boolean | null {
  return names.map(name => DebugConfig[name]).find(value => typeof value === 'boolean') ?? null
}

/** Asks the agent. @throws Temporary when it does not answer; Permanent when it refuses. */
export async function askAgent(): Promise<Agent> {
  const consul = new Consul({ debug: debugLine })
  try {
    return agentFrom(await consul.json<AgentSelf>('GET', '/v1/agent/self'))
  } finally {
    consul.close()
  }
}

export function agentFrom(self: AgentSelf): Agent {
  const [local, remote] = [told(self, 'EnableLocalScriptChecks'), told(self, 'EnableRemoteScriptChecks')]
  return {
    node: self.Config?.NodeName ?? '',
    version: self.Config?.Version ?? '',
    settings: {
      enable_local_script_checks: local === null && remote === null ? null : local === true || remote === true,
      leave_on_terminate: told(self, 'LeaveOnTerm'),
      skip_leave_on_interrupt: told(self, 'SkipLeaveOnInt'),
    },
  }
}

/** The required settings that the agent is known to have wrong. */
export function lacking({ settings }: Agent): Need[] {
  const names = Object.keys(needs) as Need[]
  return names.filter(name => settings[name] !== null && settings[name] !== needs[name])
}
