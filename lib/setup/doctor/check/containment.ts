import type { Facts, Installed } from '../facts.ts'
import { type Finding, ok, warn } from '../finding.ts'

/** How the processes of each instance's partitions are identified and ended. */
export function containment({ installed, agentUid }: Facts): Finding[] {
  return installed.flatMap(one => (one.problem === null && one.groups ? judge(one, one.groups, agentUid) : []))
}

const marks = 'a process is known by its mark, its process group, its session and its parents'
const remedy = 'run the agent as root, or set Delegate=yes in its unit, so that it may make control groups'

function judge(
  { service, setUid }: Installed,
  { directory, why }: NonNullable<Installed['groups']>,
  uid: number | null,
) {
  if (directory !== null) return [ok(`each partition of ${service} has a control group below ${directory} (${why})`)]
  if (setUid !== null && uid !== 0)
    return [warn(`${setUid} of ${service} runs as another user, whom the agent may not end: ${why}`, remedy)]
  return [warn(`the partitions of ${service} have no control groups: ${why}; ${marks}`, remedy)]
}
