/** What only the machine knows that runs a partition: its process, its log, its last hour. Read below the state directory alone. */
import { lstatSync, realpathSync } from 'node:fs'
import { dirname, sep } from 'node:path'
import { bootClock } from '../../base/clock.ts'
import { reason } from '../../base/errors.ts'
import { decode } from '../../base/names.ts'
import { printableLines } from '../../base/printable.ts'
import { byName } from '../../base/text.ts'
import { type History, instanceHistory, partitionHistory } from '../../operate/figures/history.ts'
import { outputHere } from '../../operate/output/here.ts'
import { printed } from '../../operate/output/printed.ts'
import { type ProcessHere, processHere } from '../../operate/status/process-here.ts'
import { namesIn, readFact, readLine } from '../../state/facts.ts'
import { instancesHere } from '../../state/figures/here.ts'
import { localInstances } from '../../state/identity.ts'
import { runnerOf } from '../../state/partition-paths.ts'

export type { ProcessHere }

export interface Log {
  readonly instance: string
  /** false: what an earlier run left here. */
  readonly held: boolean
  readonly lines: readonly string[]
}

/** The most lines and bytes of a log that a view shows. */
const mostLines = 200
const mostBytes = 65_536

export class Here {
  readonly #root: string
  constructor(root: string) {
    this.#root = root
  }

  /** The instances whose state directories are here, or why that cannot be said. */
  instances(): { readonly names: readonly string[]; readonly problem: string | null } {
    try {
      return { names: localInstances(this.#root).sort(byName), problem: null }
    } catch (error) {
      return { names: [], problem: reason(error) }
    }
  }

  /** Null when it is not here. @throws Temporary when its files cannot be read */
  process(instance: string, partition: string): ProcessHere | null {
    return this.instances().names.includes(instance) ? processHere(this.#root, instance, partition) : null
  }

  /** Null when nothing of it is here. @throws Temporary when it cannot be read */
  log(service: string, partition: string): Log | null {
    const found = outputHere(this.#root, service, partition)
    if (found === null) return null
    const { instance, held } = found
    for (const file of [found.output, `${found.output}.1`])
      if (!this.#isOurs(file)) return { instance, held, lines: [] }
    const { bytes } = printed(found.output, mostLines)
    const text = bytes.subarray(Math.max(0, bytes.length - mostBytes)).toString()
    return { instance, held, lines: text.trimEnd() === '' ? [] : printableLines(text.trimEnd()).split('\n') }
  }

  /** The last hour, of a partition or of the instance itself. None when it is not here. */
  history(service: string, instance: string, partition: string | null): History | null {
    const here = instancesHere(this.#root, service).find(one => one.instance === instance)
    if (here === undefined) return null
    const now = bootClock()
    const history = partition === null ? instanceHistory(here, now) : partitionHistory(here, partition, now)
    return history.rows.length === 0 ? null : history
  }

  /** A few words that change when a process here does, for those who look at this service. */
  stamp(service: string): string {
    const words = instancesHere(this.#root, service).flatMap(({ files, instance }) =>
      // Only as many as can be looked at each second.
      partitionsOf(files.partitions).map(id => {
        const own = runnerOf(files.partition(id))
        return `${instance} ${id} ${readLine(own.process)} ${readLine(own.status)} ${readFact(own.restarts)}`
      }),
    )
    return words.join('\n')
  }

  /** A process may have put a link in the place of its output: what that leads to is not the page's to show. */
  #isOurs(file: string): boolean {
    const found = lstatSync(file, { throwIfNoEntry: false })
    if (found === undefined) return true
    return found.isFile() && `${realpathSync(dirname(file))}${sep}`.startsWith(`${realpathSync(this.#root)}${sep}`)
  }
}

const mostStamped = 200

function partitionsOf(directory: string): string[] {
  return namesIn(directory)
    .slice(0, mostStamped)
    .flatMap(name => decode(name) ?? [])
}
