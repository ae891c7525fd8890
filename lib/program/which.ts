/** The partitions that a command line means: names, patterns with `*`, or all. */
import { Permanent } from '../base/errors.ts'
import { glob } from '../base/glob.ts'
import { keysOf } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import { byName } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { readIds } from '../keys/partition-set.ts'
import { remark } from './frame.ts'

export interface Which {
  readonly service: string
  readonly named: readonly string[]
  readonly all: boolean
}

/** What a pattern, or `--all`, chooses from. */
export type Candidates = (consul: Consul, service: string) => Promise<Iterable<string>>

export const wholeSet: Candidates = (consul, service) => readIds(consul, keysOf(service))

/** @throws Permanent when nothing is named, or names stand beside `--all` */
export function mustName({ named, all }: Pick<Which, 'named' | 'all'>): void {
  const wrong = (what: string) => new Permanent(`cannot read the arguments: ${what}`)
  if (all && named.length > 0) throw wrong('--all means every partition; leave their names out')
  if (!all && named.length === 0) throw wrong('no partition is named; name some, or say --all')
}

/**
 * Without duplicates. A name is taken as it is, whether there is such a partition or not. How many fit is said on stderr, before
 * anything is done with them.
 * @throws Permanent when no partition fits a pattern
 */
export async function whichPartitions(consul: Consul, which: Which, candidates: Candidates): Promise<string[]> {
  const { service, named, all } = which
  if (!all && !named.some(name => name.includes('*'))) return [...new Set(named)]
  const known = [...(await candidates(consul, service))].sort(byName)
  const found = all ? known : [...new Set(named.flatMap(name => fitting(name, known, service)))]
  remark(found.length === 1 ? '1 partition fits' : `${found.length} partitions fit`)
  return found
}

/** A star may also stand in the name of a partition. */
function fitting(name: string, known: readonly string[], service: string): readonly string[] {
  if (!name.includes('*') || known.includes(name)) return [name]
  const found = known.filter(glob(name))
  if (found.length > 0) return found
  const list = `watchbill partitions ${shellWord(service)}`
  throw new Permanent(`cannot find partitions: none that this could be done with fits ${name}; see ${list}`)
}
