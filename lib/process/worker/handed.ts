/**
 * What the worker is told, step by step, so that whoever is killed between two of them leaves nothing that runs unseen.
 * Each of these is for who holds the worker's lock.
 *
 * To hand a partition over: the worker's lease is shortened, `handed` is written, the assignment is replaced, the worker is
 * told. To take one back: `asked` is written, the assignment is replaced, its line is added to `stopping`, the worker is told;
 * when it has confirmed, `handed` goes. As long as `handed` is there, the worker may be running it: its lock is kept.
 *
 * `stopping` is for what came and went before the worker looked: it stands in no assignment that it could still read, so it
 * confirms what it does not have.
 */
import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { basename } from 'node:path'
import { Permanent } from '../../base/errors.ts'
import { decode, encode } from '../../base/names.ts'
import { changedLines, parseHanded } from '../../base/worker-line.ts'
import { parseProcess, signal } from '../../machine/identity.ts'
import { attempt, readFact, readLine, removeFact, writeFact } from '../../state/facts.ts'
import { appendLog } from '../../state/log.ts'
import { type PartitionFiles, partitionFiles, type WorkerFiles } from '../../state/paths.ts'
import { confirms, linesFrom, parseConfirmation } from '../../state/worker-confirmations.ts'
import { handedTo } from '../../state/worker-lease.ts'

/**
 * Says that the assignment has changed. Who has no handler for this signal yet is not ended by it: it may come before
 * the program has got so far, and then the program reads the new assignment anyway.
 */
export const news = 'SIGWINCH'

/** Confirmations that were dealt with are dropped once there are so many bytes of them. */
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
  collect(worker, untold(worker)) // its answers to earlier requests
  const handed = partitions.filter(files => existsSync(files.handed))
  for (const { asked } of handed) writeFact(asked, 'the worker is to stop it')
  const lines = handed.flatMap(files => readFact(files.handed) ?? [])
  const ids = new Set(lines.flatMap(line => parseHanded(line)?.id ?? []))
  const left = changedLines(readFact(worker.assignment), [], ids)
  writeAssignment(worker, left)
  // What it said before it could know is no answer: it may have ended, and the next process have read the old assignment.
  collect(worker, new Set(lines))
  writeStopping(worker, [...stoppingOf(worker), ...lines])
  return left.length > 0
}

/** Whoever took these back was killed before the worker was told, perhaps before it was made sure what had been said till then. */
function untold(worker: WorkerFiles): ReadonlySet<string> {
  if (!existsSync(worker.changed)) return new Set()
  return new Set(handedTo(worker).flatMap(files => readFact(files.handed) ?? []))
}

function stoppingOf(worker: WorkerFiles): string[] {
  return (readFact(worker.stopping) ?? '').split('\n')
}

/** Those of the lines that the worker is still to confirm. */
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

/** For a worker that never had them. */
export function forgetAsked(worker: WorkerFiles, partitions: readonly PartitionFiles[]): void {
  for (const files of partitions) if (existsSync(files.asked)) forgetHanded(files)
  writeStopping(worker, stoppingOf(worker))
}

/** Replaces the file. From before that until the worker was told, `changed` is there. No lines: no file. */
function writeAssignment(files: WorkerFiles, lines: readonly string[]): void {
  writeFact(files.changed, 'the worker is to be told')
  if (lines.length > 0) writeFact(files.assignment, lines.join('\n'))
  else removeFact(files.assignment)
}

/** Tells the worker, if there is a process to tell: one that is only starting may have read what was there before. */
export function tellWorker(worker: WorkerFiles): void {
  const process = parseProcess(readLine(worker.process))
  if (process !== null && signal(process, news)) removeFact(worker.changed)
}

/**
 * Takes note of what the worker has stopped. What it was not asked for, and garbage, is logged and counts for nothing.
 * @param unasked lines that it cannot have known to be asked for
 */
export function collect(worker: WorkerFiles, unasked: ReadonlySet<string> = new Set()): void {
  if (!existsSync(worker.confirmations)) return
  const bytes = attempt(`read ${worker.confirmations}`, () => readFileSync(worker.confirmations))
  const read = Number(readFact(worker.read) ?? 0)
  const { lines, next } = linesFrom(bytes, read)
  const assigned = lines.length > 0 ? (readFact(worker.assignment) ?? '').split('\n') : []
  const kept = new Set([...assigned, ...unasked])
  const odd = lines.filter(line => !takeNote(worker, kept, line))
  if (odd.length > 0)
    say(
      worker,
      `ignores ${odd.length} lines of the worker, which confirm nothing that it was asked for: ${odd[0]?.slice(0, 200)}`,
    )
  if (odd.length < lines.length) writeStopping(worker, stoppingOf(worker))
  if (next !== read) writeFact(worker.read, String(next))
  if (next === bytes.length && next > most) startAnew(worker)
}

/** The confirmation that is waited for must not be cut off while it is being written. */
function startAnew(worker: WorkerFiles): void {
  if (handedTo(worker).some(({ asked }) => existsSync(asked))) return
  attempt(`empty ${worker.confirmations}`, () => truncateSync(worker.confirmations))
  removeFact(worker.read)
}

/**
 * One that stands in the assignment is not confirmed by anything: whoever asked for it was killed before it was taken out,
 * and the next process may have it.
 * @returns whether it confirmed what was asked for
 */
function takeNote(worker: WorkerFiles, kept: ReadonlySet<string>, line: string): boolean {
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

/** In this order: without `handed`, `asked` means nothing. */
export function forgetHanded(files: PartitionFiles): void {
  removeFact(files.handed)
  removeFact(files.asked)
}

/** Whether there may be something to collect. */
export function hasSaid(worker: WorkerFiles): boolean {
  const size = statSync(worker.confirmations, { throwIfNoEntry: false })?.size ?? 0
  return size !== Number(readFact(worker.read) ?? 0)
}

/** One line to the instance's log. */
export function say({ instance }: WorkerFiles, line: string): void {
  appendLog(`${instance}/log`, `${decode(basename(instance)) ?? instance} worker: ${line}`)
}
