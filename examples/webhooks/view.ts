/** The lines that are printed while it runs: totals every two seconds, and whose subscriptions became whose. */
import type { Delivery } from './verdict.ts'
import type { World } from './world.ts'

const every = 500
const totalsEvery = 4

/** Looks again and again, and says what it sees. @returns what ends it */
export function view(world: World, say: (line: string) => void): () => void {
  let before = new Map<string, string>()
  let looks = 0
  const look = () => {
    const nodes = nodesOf(world)
    for (const line of changes(before, nodes)) say(line)
    if (looks++ % totalsEvery === 0) {
      say(`   ${world.deliveries.length} delivered, ${world.waiting()} waiting; ${shares(nodes) || 'by nobody yet'}`)
    }
    before = nodes
  }
  const timer = setInterval(look, every)
  return () => clearInterval(timer)
}

export function nodeOf({ instance }: Delivery): string {
  return instance.split(':')[0] as string
}

/** Who delivered last for each of the subscriptions. */
export function nodesOf(world: World): Map<string, string> {
  return new Map([...world.last()].flatMap(([id, last]) => (last ? [[id, nodeOf(last)]] : [])))
}

/** How many subscriptions each node has, such as "a1 34, a2 33, s1 33". */
function shares(nodes: ReadonlyMap<string, string>): string {
  const groups = Map.groupBy(nodes.values(), node => node)
  return Array.from(groups, ([node, all]) => `${node} ${all.length}`)
    .sort()
    .join(', ')
}

/** "s1 → a1: 17 subscriptions", one line for each pair of nodes. */
function changes(before: ReadonlyMap<string, string>, nodes: ReadonlyMap<string, string>): string[] {
  const moved = [...nodes].filter(([id, node]) => before.has(id) && before.get(id) !== node)
  const byWay = Map.groupBy(moved, ([id, node]) => `${before.get(id)} → ${node}`)
  return Array.from(byWay, ([way, all]) => `${way}: ${all.length} subscriptions`)
}
