/** Instances that are away, for the tests of what is pure. */
import type { Away } from '../../lib/keys/away.ts'
import { memberOne } from '../fixtures/cluster.ts'

export function awayOne(instance: string, over: Partial<Away> = {}): Away {
  const { session: _, absence: __, ...member } = memberOne(instance)
  return { ...member, index: 9, lost: true, waitMs: 0, ...over }
}
