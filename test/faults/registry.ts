/** Every fault that the lab knows. */
import type { Fault } from './fault.ts'
import { agentFaults } from './kinds/agent.ts'
import { clockFaults } from './kinds/clock.ts'
import { consulFaults } from './kinds/consul.ts'
import { freezeFaults } from './kinds/freeze.ts'
import { lockFaults } from './kinds/lock.ts'
import { machineFaults } from './kinds/machine.ts'
import { networkFaults } from './kinds/network.ts'
import { processFaults } from './kinds/process.ts'
import { stateFaults } from './kinds/state.ts'
import { stuckFaults } from './kinds/stuck.ts'

export const faults: readonly Fault[] = [
  ...networkFaults,
  ...agentFaults,
  ...processFaults,
  ...consulFaults,
  ...stateFaults,
  ...machineFaults,
  ...clockFaults,
  ...lockFaults,
  ...stuckFaults,
]

/** Faults of labs with more hosts, for --only. */
const ofLargerLabs: readonly Fault[] = freezeFaults

/** The faults that CI runs once. */
export const fewFaults: readonly string[] = [
  'host-cut',
  'agent-kill',
  'host-freeze',
  'handler-kill',
  'shepherds-kill',
  'server-cut',
  'lock-deleted',
  'guard-hung',
]

/** @throws Error that names an unknown fault */
export function faultsNamed(names: readonly string[]): Fault[] {
  const all = [...faults, ...ofLargerLabs]
  return names.map(name => {
    const fault = all.find(fault => fault.name === name)
    if (fault) return fault
    throw new Error(`there is no fault ${JSON.stringify(name)}; there are ${all.map(({ name }) => name).join(', ')}`)
  })
}
