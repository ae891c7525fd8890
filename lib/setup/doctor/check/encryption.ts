import type { Facts } from '../facts.ts'
import { type Finding, ok, warn } from '../finding.ts'

export function gossipEncryption({ agent }: Facts): Finding {
  const todo = 'set encrypt to the output of consul keygen on every agent'
  if ('unknown' in agent || agent.encrypted === null) return warn('whether the gossip is encrypted is not known', todo)
  if (agent.encrypted) return ok('the gossip is encrypted')
  return warn('the gossip is not encrypted: whoever is on this network can declare a machine dead', todo)
}
