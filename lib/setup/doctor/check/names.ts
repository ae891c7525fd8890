import { keyRefusal, keysOf } from '../../../base/names.ts'
import { keyRefused, renameAdvice } from '../../../keys/new-ids.ts'
import type { Facts } from '../facts.ts'
import { type Finding, unsafe, warn } from '../finding.ts'
import { checksKeys } from './version.ts'

/** Names whose keys agents from Consul 1.22 on refuse. Prints nothing when there are none. */
export function names({ agent, installed, services }: Facts): Finding[] {
  const now = !('unknown' in agent) && checksKeys(agent.version)
  const partitions = services.flatMap(found => {
    if ('unknown' in found) return []
    const keys = keysOf(found.service)
    const advice = renameAdvice({ service: found.service, keys }, found.refused)
    if (advice === null) return []
    const [first = ''] = found.refused
    const what = `${found.refused.length} partitions of ${found.service}, ${JSON.stringify(first)} the first`
    return now
      ? unsafe(`the agent takes no keys of ${what}`, keyRefused({ service: found.service, keys }, first))
      : warn(`an agent of Consul 1.22 or later takes no keys of ${what}: they stop when one is upgraded`, advice)
  })
  const instances = installed.flatMap(({ service, instance, problem }) => {
    const why = problem === null ? keyRefusal(keysOf(service).member(instance)) : null
    if (why === null) return []
    const what = `no keys of the instance ${instance}, which hold ${why}`
    return now
      ? unsafe(`the agent takes ${what}`, 'give the node another name, then run configure')
      : warn(`an agent of Consul 1.22 or later takes ${what}`, 'give the node another name before, then run configure')
  })
  return [...partitions, ...instances]
}
