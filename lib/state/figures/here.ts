/** The figures that stand in the state directories of this machine. */
import { existsSync, statSync } from 'node:fs'
import { bootClock } from '../../base/clock.ts'
import { decode } from '../../base/names.ts'
import { byName } from '../../base/text.ts'
import { definitionInForce } from '../definition.ts'
import { namesIn } from '../facts.ts'
import { identityOf, localInstances } from '../identity.ts'
import { type InstanceFiles, instanceFiles } from '../paths.ts'
import { type Recent, recentOf } from './recent.ts'
import { newestRows, type Ring, type Row } from './ring.ts'
import { instanceRing, workerName } from './rings.ts'

/** One instance on this machine. */
export interface Here {
  readonly service: string
  readonly instance: string
  readonly files: InstanceFiles
  readonly ring: Ring
}

export interface Figures extends Here {
  /** When the guard last wrote figures, however long ago, epoch seconds; null when it never did, or has left. */
  readonly lastRun: number | null
  /** The row of the last tick; null when the guard has not run for two minutes. */
  readonly last: Row | null
  /** The newest rows of a minute, for what a single one may miss. */
  readonly minute: readonly Row[]
  /** By partition; the one process for all partitions has the name of its directory. */
  readonly partitions: ReadonlyMap<string, Recent>
}

/** So far back the guard's last row is looked for, ms. */
const longAgo = 120_000

/**
 * @param service null for those of all services
 * @throws Temporary when the state directory cannot be read, such as by another user than the agent's
 */
export function instancesHere(root: string, service: string | null): Here[] {
  return localInstances(root)
    .sort(byName)
    .flatMap(instance => {
      const files = instanceFiles(root, instance)
      const own = identityOf(files)?.service
      if (own === undefined || (service !== null && own !== service)) return []
      const interval = definitionInForce(files)?.definition.guardIntervalMs ?? 2000
      return [{ service: own, instance, files, ring: instanceRing(interval) }]
    })
}

export function figuresOf(here: Here, now = bootClock()): Figures {
  const { files, ring } = here
  const rows = newestRows(files.instanceRing, ring, now, Math.ceil(longAgo / ring.every))
  const partitions = new Map(
    ringNames(files).flatMap(([name, id]) => {
      const recent = recentOf(files, name, now)
      return recent === null ? [] : [[id, recent] as const]
    }),
  )
  const lastRun = rows[0]?.at ?? (existsSync(files.left) ? null : writtenAt(files.instanceRing))
  return {
    ...here,
    lastRun,
    last: rows[0] ?? null,
    minute: rows.filter(({ boot }) => now - boot <= 60_000),
    partitions,
  }
}

function writtenAt(file: string): number | null {
  const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs
  return written === undefined ? null : written / 1000
}

/** Each partition that has a ring: the ring's name, and the id. */
function ringNames(files: InstanceFiles): [name: string, id: string][] {
  const names = namesIn(`${files.figures}/partition`)
  const all = names.flatMap((name): [string, string][] => {
    const id = name === workerName ? workerName : decode(name)
    return id === null ? [] : [[name, id]]
  })
  return all.sort((a, b) => byName(a[1], b[1]))
}
