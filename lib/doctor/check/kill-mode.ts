import type { Facts } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** systemd kills everything that a unit ever started when it stops, unless told otherwise. */
export function killMode({ unit }: Facts): Finding {
  const todo = 'set KillMode=process in the [Service] of its unit, run systemctl daemon-reload'
  if ('unknown' in unit) return warn(`the agent's unit is not known: ${unit.unknown}`, `if it has one, ${todo}`)
  if (unit.name === null) return ok('the agent is in no systemd unit: its restart kills no process')
  if (unit.killMode === null) return warn(`the KillMode of ${unit.name} is not known`, todo)
  if (unit.killMode === 'process' || unit.killMode === 'none') return ok(`${unit.name} has KillMode=${unit.killMode}`)
  return unsafe(`${unit.name} has KillMode=${unit.killMode}: a restart of the agent kills every process`, todo)
}
