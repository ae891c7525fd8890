import type { Facts, ServiceFacts } from '../facts.ts'
import { type Finding, ok, warn } from '../finding.ts'

export function versions({ services }: Facts): Finding[] {
  return services.flatMap(service => {
    if ('unknown' in service)
      return warn(`the members of ${service.service} are not known: ${service.unknown}`, 'see watchbill status')
    return [definitions(service), rosters(service)]
  })
}

/** Definitions may differ on purpose, as in a machine's weight, so this only warns. */
function definitions({ service, members }: ServiceFacts): Finding {
  const groups = Map.groupBy(members, ({ digest }) => digest)
  if (groups.size <= 1) return ok(`the ${members.length} members of ${service} have one definition`)
  return warn(
    `the members of ${service} have ${groups.size} definitions: ${apart([...groups.values()])}`,
    'unless that is meant (weights), install the same one everywhere',
  )
}

function rosters({ service, rosters }: ServiceFacts): Finding {
  const groups = Map.groupBy(rosters.keys(), instance => rosters.get(instance) as number)
  if (groups.size <= 1) return ok(`the members of ${service} have one roster version`)
  const sorted = [...groups].sort(([a], [b]) => a - b)
  const lists = sorted.map(([version, instances]) => `${version} (${instances.join(', ')})`)
  return warn(
    `the members of ${service} have ${groups.size} roster versions, and go by the lowest: ${lists.join(', ')}`,
    'update watchbill everywhere; evict an instance that will not come back',
  )
}

function apart(groups: readonly (readonly { readonly instance: string }[])[]): string {
  return groups.map(group => group.map(({ instance }) => instance).join(', ')).join(' / ')
}
