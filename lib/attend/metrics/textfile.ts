/** Writes the metrics for node_exporter's textfile directory, and reads what a program serves by HTTP. */
import { closeSync, fchmodSync, lstatSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { bootClock } from '../../base/clock.ts'
import { Permanent, reason, Temporary } from '../../base/errors.ts'
import type { Definition } from '../../definition/definition.ts'
import { expand } from '../../definition/expand.ts'
import { writeFactIfWanted } from '../../state/facts.ts'
import { mostOwn } from '../../state/figures/own.ts'
import { partitionEvery } from '../../state/figures/rings.ts'
import { sayOnce } from '../../state/figures/say-once.ts'
import { instanceLease } from '../../state/lease.ts'
import { isActive, localFacts } from '../../state/local.ts'
import type { Run } from '../../state/self.ts'
import { metricsHere } from './metrics.ts'
import { type Format, textOf } from './text.ts'

/** A file that is younger is not fetched again, ms: attend also runs for other reasons. */
const young = 20_000
/** How long a program may take to answer, ms, and how many are asked at once. */
const patience = 2000
const atOnce = 16

/**
 * By rename, so that node_exporter never reads half of it; for everybody to read, since it runs as another user. The
 * directory may be that user's: a link in the place of either file must not lead our write elsewhere, nor its mode.
 * @throws Temporary when it cannot be written; Permanent when something else than a file stands there
 */
export function writeTextfile(file: string, text: string): void {
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile() === false)
    throw new Permanent(`cannot write ${file}: it is no regular file; remove it, or name another`)
  const fresh = `${file}.${process.pid}.new`
  try {
    rmSync(fresh, { force: true }) // of a run that was killed
    const descriptor = openSync(fresh, 'wx', 0o644)
    try {
      fchmodSync(descriptor, 0o644)
      writeFileSync(descriptor, text)
    } finally {
      closeSync(descriptor)
    }
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw new Temporary(`cannot write ${file}: ${reason(error)}; make its directory writable for this user`)
  }
}

/** What the guard's rounds have attend do for figures. Throws nothing: checks and hooks do not wait for it. */
export async function tendMetrics(run: Run, { metrics }: Definition): Promise<void> {
  const say = (problem: string) =>
    sayOnce(run.files, problem, { now: bootClock(), every: partitionEvery }, line => run.log(`metrics: ${line}`))
  try {
    if (metrics?.url !== undefined) await scrapeAll(run, metrics.url, say)
    if (metrics?.textfile !== undefined && isDue(metrics.textfile))
      writeTextfile(metrics.textfile, page(dirname(run.files.directory), run.service, 'plain', say))
  } catch (error) {
    say(reason(error))
  }
}

export function page(root: string, service: string | null, format: Format, say: (line: string) => void): string {
  return textOf(metricsHere(root, service, say), format)
}

function isDue(file: string): boolean {
  // Not what a link leads to: a program may have made one that leads to itself, and the others are due all the same.
  const written = lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return Math.abs(Date.now() - written) >= young
}

async function scrapeAll(run: Run, url: string, say: (problem: string) => void): Promise<void> {
  const now = bootClock()
  const local = localFacts(run.files, instanceLease(run.files, now), now)
  const here = [...local].filter(([, one]) => isActive(one) && one.process !== null)
  const due = here.flatMap(([partition, { home }]) => {
    const files = home === run.files.worker.directory ? run.files.worker : run.files.partition(partition)
    return isDue(files.metrics) ? [{ partition, files }] : []
  })
  const each = [...new Map(due.map(one => [one.files.metrics, one])).values()]
  const problems: string[] = []
  for (let from = 0; from < each.length; from += atOnce) {
    const some = each.slice(from, from + atOnce).map(async ({ partition, files }) => {
      const { node, instance, service } = run
      const address = addressFor(url, { partition, node, instance, service })
      try {
        writeFactIfWanted(files.metrics, await scraped(address))
      } catch (error) {
        problems.push(`${address}: ${reason(error)}`)
      }
    })
    await Promise.all(some)
  }
  const [first] = problems
  if (first !== undefined) say(`${problems.length} of ${each.length} do not answer, such as ${first}`)
}

/** A partition's id comes from Consul: encoded, it can name neither another host nor another path. */
function addressFor(url: string, values: Readonly<Record<string, string>>): string {
  const encoded = Object.entries(values).map(([name, value]) => [name, encodeURIComponent(value)])
  return expand([url], Object.fromEntries(encoded))[0] as string
}

async function scraped(url: string): Promise<string> {
  const accept = 'application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4'
  const answer = await fetch(url, { signal: AbortSignal.timeout(patience), headers: { accept }, redirect: 'error' })
  if (!answer.ok) throw new Error(`it answers ${answer.status}`)
  let text = ''
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    if (text.length > mostOwn) throw new Error(`it says more than ${mostOwn} bytes`)
  }
  return text.trimEnd()
}
