import type { Facts, Installed } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** When a unit stops, systemd kills every process that the unit has started, unless KillMode says otherwise. */
export function killMode({ unit, agentUid, installed }: Facts): Finding {
  const todo = 'set KillMode=process in the [Service] of its unit, run systemctl daemon-reload'
  if ('unknown' in unit) return warn(`the agent's unit is not known: ${unit.unknown}`, `if it has one, ${todo}`)
  if (unit.name === null) return ok('the agent is in no systemd unit: its restart kills no process')
  if (unit.killMode === null) return warn(`the KillMode of ${unit.name} is not known`, todo)
  if (unit.killMode === 'process' || unit.killMode === 'none') return ok(`${unit.name} has KillMode=${unit.killMode}`)
  const has = `${unit.name} has KillMode=${unit.killMode}`
  const { name } = unit
  const ours = installed.filter(({ problem }) => problem === null)
  const inside = ours.filter(({ standIn }) => standIn.includes(name)).map(({ service }) => service)
  if (ours.length > 0 && ours.every(one => isOutside(one, name))) {
    if (inside.length === 0) return ok(`${has}, and every partition is outside of it: a restart of the agent ends none`)
    return unsafe(
      `${has}, and processes of ${inside.join(', ')} that were started before it had control groups stand in it`,
      `${todo}, until watchbill restart has started them anew`,
    )
  }
  if (agentUid === 0 && inside.length === 0 && ours.every(({ groups }) => groups === null))
    return warn(`${has}; whether partitions are outside of it is not known before the first of them was started`, todo)
  return unsafe(`${has}: a restart of the agent kills every process`, todo)
}

/** Whether the process is in a scope that watchbill asked systemd for: see process/containment/scope.ts. */
function isOutside({ groups }: Installed, unit: string): boolean {
  return typeof groups?.directory === 'string' && !groups.directory.includes(`/${unit}/`)
}
