/** Registers a partition's checks before its process starts: the process may report a status as its very first act. */
import { setTimeout as delay } from 'node:timers/promises'
import { reason } from '../base/errors.ts'
import type { Definition } from '../definition/definition.ts'
import { readFact, writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'
import { register, registration, runsCheck } from './catalog.ts'
import { digestOf, statusBeforeReport } from './registered.ts'

/** A slow agent must not delay a start longer than this, ms: the next round registers the checks. */
const limit = 500
const atOnce = 8

/** Registers partitions that are about to start. It never fails, and takes no longer than the limit. */
export async function registerBeforeStart(
  run: Run,
  definition: Definition,
  partitions: readonly string[],
): Promise<void> {
  const left = partitions.map(partition => {
    const body = registration(definition, run.instance, partition, id =>
      id === runsCheck ? 'critical' : (statusBeforeReport(run, definition, partition, id) ?? 'passing'),
    )
    return { body, told: digestOf(body), file: run.files.partition(partition).registered }
  })
  const open = left.filter(({ file, told }) => readFact(file)?.split('\n')[1] !== told)
  const next = async () => {
    for (let one = open.shift(); one !== undefined; one = open.shift()) {
      await register(run.consul, one.body)
      writeFact(one.file, `false\n${one.told}`)
    }
  }
  const all = Promise.all(Array.from({ length: atOnce }, next)).catch(error => {
    open.length = 0
    run.log(`checks: processes start before their checks are registered: ${reason(error)}`)
  })
  const timer = new AbortController()
  const late = delay(limit, 'late', { signal: timer.signal }).catch(() => {})
  if ((await Promise.race([all, late])) === 'late') open.length = 0
  timer.abort()
}
