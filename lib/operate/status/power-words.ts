/** What `status` says of machines that were powered off. */
import { shellWord } from '../../base/printable.ts'
import type { Consul } from '../../consul/http.ts'
import { trees } from '../../consul/kv.ts'
import { isRefusal } from '../../consul/permission.ts'
import { bootsIn, type FoundRecord, nodeIn, readPower, unsafeRecords } from '../../keys/power.ts'
import type { Cluster } from '../../look/cluster.ts'

/** The machines of a service that were powered off. */
export interface Powered {
  readonly records: readonly FoundRecord[]
  /** Those of them that were not. */
  readonly unsafe: readonly FoundRecord[]
}

export const nobodyPowered: Powered = { records: [], unsafe: [] }

/** Where the token may not read it, nobody was. @throws Temporary when Consul is away */
export async function readPowered(consul: Consul, { keys, registered, locks }: Cluster): Promise<Powered> {
  try {
    const power = await readPower(consul)
    if (power.records.size === 0) return nobodyPowered
    const boots = bootsIn(await trees(consul, [keys.members]), keys.members)
    const holders = [...locks.values()].map(({ held, by }) => nodeIn(held?.instance ?? by ?? ''))
    const nodes = new Set([...registered.map(({ node }) => node), ...boots.map(({ node }) => node), ...holders])
    const isOurs = ({ node }: FoundRecord) => nodes.has(node)
    return { records: [...power.records.values()].filter(isOurs), unsafe: unsafeRecords(power, boots).filter(isOurs) }
  } catch (error) {
    if (isRefusal(error)) return nobodyPowered
    throw error
  }
}

/** Pure: problems, each with its next step. */
export function unsafeWords({ unsafe }: Powered): string[] {
  return unsafe.map(({ node, by, since }) => {
    const what = `${node} is unsafe: ${by} declared it off at ${since}, and it took part again in the same boot: it was never off`
    const ran = 'its partitions may have run twice, and nobody is powered off meanwhile'
    const todo = `correct what power-off.json runs, then watchbill evict --node ${shellWord(node)} --acknowledge`
    return `${what}; ${ran}; ${todo}`
  })
}

/** Pure: what became of machines that are still gone; null for none. */
export function powerRemark({ records, unsafe }: Powered, { registered }: Pick<Cluster, 'registered'>): string | null {
  const gone = new Set(registered.flatMap(({ node, nodeAlive }) => (nodeAlive ? [] : [node])))
  const told = records.filter(record => gone.has(record.node) && !unsafe.includes(record))
  return told.map(recordWords).join('; ') || null
}

function recordWords({ node, state, by, since, why, session }: FoundRecord): string {
  const more = why === null ? '' : `: ${why}`
  if (state === 'off') return `${node} is off since ${since} by the word of ${by}${more}`
  if (state === 'failed') return `${by} could not power ${node} off${more}`
  return session === null ? `${by} died while it powered ${node} off` : `${by} powers ${node} off`
}
