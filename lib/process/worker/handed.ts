/**
 * The steps by which the worker is told what to run, so that a program killed between two steps leaves no process that
 * is unaccounted for. Call all of this under the worker's lock.
 *
 * To hand a partition over: shorten the worker's lease, write `handed`, replace the assignment, tell the worker. To
 * take one back: write `asked`, replace the assignment, add its line to `stopping`, tell the worker; remove `handed`
 * once the worker has confirmed. While `handed` exists the worker may be running the partition, and its lock is kept.
 *
 * `stopping` is for a partition that was handed over and taken back before the worker looked. The worker never reads it
 * in an assignment, so it confirms a partition that it does not have.
 */
import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { basename } from 'node:path'
import { Permanent } from '../../base/errors.ts'
import { decode, encode } from '../../base/names.ts'
import { changedLines, parseHanded } from '../../base/worker-line.ts'
import { parseProcess, signal } from '../../machine/identity.ts'
import { attempt, readFact, readLine, removeFact, writeFact } from '../../state/facts.ts'
import { appendLog } from '../../state/log.ts'
import { type PartitionFiles, partitionFiles, type WorkerFiles } from '../../state/partition-paths.ts'
import { confirms, linesFrom, parseConfirmation } from '../../state/worker-confirmations.ts'
import { handedTo } from '../../state/worker-lease.ts'

/**
 * Tells the worker that the assignment has changed. A program without a handler for this signal is not ended by it: the
 * signal may come before the program has set its handler, and then the program reads the new assignment anyway.
 */
export const changeSignal = 'SIGWINCH'

/** Processed confirmations are removed once they take this many bytes. */
const most = 64 * 1024

export function handOver(worker: WorkerFiles, lines: ReadonlyMap<PartitionFiles, string>): void {
  for (const [files, line] of lines) {
    removeFact(files.asked)
    writeFact(files.handed, line)
  }
  writeStopping(worker, stoppingOf(worker))
  writeAssignment(worker, changedLines(readFact(worker.assignment), [...lines.values()], new Set()))
}

/** @returns whether the worker has anything left */
export function takeBack(worker: WorkerFiles, partitions: readonly PartitionFiles[]): boolean {
  collect(worker, untold(worker)) // answers to earlier requests
  const handed = partitions.filter(files => existsSync(files.handed))
  for (const { asked } of handed) writeFact(asked, 'the worker is to stop it')
  const lines = handed.flatMap(files => readFact(files.handed) ?? [])
  const ids = new Set(lines.flatMap(line => parseHanded(line)?.id ?? []))
  const left = changedLines(readFact(worker.assignment), [], ids)
  writeAssignment(worker, left)
  // A confirmation from before the request does not count: the process may have ended, and the next one read the old
  // assignment.
  collect(worker, new Set(lines))
  writeStopping(worker, [...stoppingOf(worker), ...lines])
  return left.length > 0
}

/**
 * Lines taken back by a program that was killed before it told the worker, perhaps before it read the confirmations so
 * far.
 */
function untold(worker: WorkerFiles): ReadonlySet<string> {
  if (!existsSync(worker.changed)) return new Set()
  return new Set(handedTo(worker).flatMap(files => readFact(files.handed) ?? []))
}

function stoppingOf(worker: WorkerFiles): string[] {
  return (readFact(worker.stopping) ?? '').split('\n')
}

/** The lines that the worker must still confirm. */
function writeStopping(worker: WorkerFiles, lines: readonly string[]): void {
  const open = [...new Set(lines)].filter(line => isAsked(worker, line))
  if (open.length > 0) writeFact(worker.stopping, open.join('\n'))
  else removeFact(worker.stopping)
}

function isAsked(worker: WorkerFiles, line: string): boolean {
  const handed = parseHanded(line)
  const files = handed && filesOf(worker, handed.id)
  return files !== null && existsSync(files.asked) && readFact(files.handed) === line
}

/** For a worker that never had these partitions. */
export function forgetAsked(worker: WorkerFiles, partitions: readonly PartitionFiles[]): void {
  for (const files of partitions) if (existsSync(files.asked)) forgetHanded(files)
  writeStopping(worker, stoppingOf(worker))
}

/**
 * Replaces the file, or removes it when there are no lines. `changed` exists from before that until the worker was
 * told.
 */
function writeAssignment(files: WorkerFiles, lines: readonly string[]): void {
  writeFact(files.changed, 'the worker is to be told')
  if (lines.length > 0) writeFact(files.assignment, lines.join('\n'))
  else removeFact(files.assignment)
}

/** Tells the worker if it has a process. A process that is starting may have read the earlier assignment. */
export function tellWorker(worker: WorkerFiles): void {
  const process = parseProcess(readLine(worker.process))
  if (process !== null && signal(process, changeSignal)) removeFact(worker.changed)
}

/**
 * Processes the worker's confirmations. Garbage, and lines that it was not asked for, are logged and ignored.
 * @param unasked lines that it cannot yet know to be asked for
 */
export function collect(worker: WorkerFiles, unasked: ReadonlySet<string> = new Set()): void {
  if (!existsSync(worker.confirmations)) return
  const bytes = attempt(`read ${worker.confirmations}`, () => readFileSync(worker.confirmations))
  const read = Number(readFact(worker.read) ?? 0)
  const { lines, next } = linesFrom(bytes, read)
  const assigned = lines.length > 0 ? (readFact(worker.assignment) ?? '').split('\n') : []
  const kept = new Set([...assigned, ...unasked])
  const odd = lines.filter(line => !acceptConfirmation(worker, kept, line))
  if (odd.length > 0)
    say(
      worker,
      `ignores ${odd.length} lines of the worker, which confirm nothing that it was asked for: ${odd[0]?.slice(0, 200)}`,
    )
  if (odd.length < lines.length) writeStopping(worker, stoppingOf(worker))
  if (next !== read) writeFact(worker.read, String(next))
  if (next === bytes.length && next > most) emptyConfirmations(worker)
}

/** Empties the file of confirmations, but never while a line that is waited for is being written. */
function emptyConfirmations(worker: WorkerFiles): void {
  if (handedTo(worker).some(({ asked }) => existsSync(asked))) return
  attempt(`empty ${worker.confirmations}`, () => truncateSync(worker.confirmations))
  removeFact(worker.read)
}

/**
 * A line in the current assignment cannot be confirmed: the program that asked for it was killed before it removed the
 * line, and the next process may run that partition.
 * @returns whether the line confirmed a partition that was asked for
 */
function acceptConfirmation(worker: WorkerFiles, kept: ReadonlySet<string>, line: string): boolean {
  const confirmation = parseConfirmation(line)
  const files = confirmation && filesOf(worker, confirmation.id)
  const own = files && readFact(files.handed)
  const handed = parseHanded(own)
  if (!files || !own || !handed || kept.has(own)) return false
  if (!existsSync(files.asked) || !confirms(confirmation, handed)) return false
  forgetHanded(files)
  return true
}

function filesOf({ instance }: WorkerFiles, id: string): PartitionFiles | null {
  try {
    return partitionFiles(`${instance}/partition/${encode(id)}`)
  } catch (error) {
    if (error instanceof Permanent) return null
    throw error
  }
}

/** In this order, because `asked` means nothing without `handed`. */
export function forgetHanded(files: PartitionFiles): void {
  removeFact(files.handed)
  removeFact(files.asked)
}

/** Whether there may be confirmations to process. */
export function hasSaid(worker: WorkerFiles): boolean {
  const size = statSync(worker.confirmations, { throwIfNoEntry: false })?.size ?? 0
  return size !== Number(readFact(worker.read) ?? 0)
}

/** One line to the instance's log. */
export function say({ instance }: WorkerFiles, line: string): void {
  appendLog(`${instance}/log`, `${decode(basename(instance)) ?? instance} worker: ${line}`)
}
