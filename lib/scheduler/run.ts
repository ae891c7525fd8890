/**
 * Runs a scheduler once, apart from everything else: a process group and, where the machine allows it, a control group of its
 * own; no token in its environment; a limit for its time, its output and its processes. Whatever it started ends with it.
 */

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import type { Assign } from '../definition/assign.ts'
import { inheritedEnvironment } from '../definition/environment.ts'
import { fileShown } from '../definition/wording.ts'
import { asCalled } from '../machine/caller.ts'
import { isAlive, processOf, signal, userOf } from '../machine/identity.ts'
import { allPids, markVariable, randomMark } from '../machine/marks.ts'
import { uidOf } from '../machine/users.ts'
import { killMembers, membersOf } from '../process/containment/containment.ts'
import { homeOf, makeGroup, removeGroup } from '../process/containment/groups.ts'
import { makeDirectory, readFact, removeFact, writeFact } from '../state/facts.ts'
import { type PartitionFiles, partitionFiles } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { mostAnswer } from './answer.ts'

const script = `${import.meta.dirname}/assign.sh`
const runner = `${import.meta.dirname}/run-assign.mjs`

/** The most bytes that it may print beside its answer. */
const mostTalk = 1024 * 1024
/** The most processes that it may have. */
const mostProcesses = 512
/** How many processes its user may have beside those that are there. */
const roomForProcesses = 256
/** How long the end of everything that it started may take, ms. */
const endWithin = 5000
/** How often its processes are counted, ms. */
const poll = 100

/** Where and as whom it runs. */
export interface Place {
  /** Of the instance. Null: on behalf of a person, without anything of the state directory. */
  readonly files: Pick<InstanceFiles, 'directory' | 'groups' | 'scheduler'>
  readonly service: string
  readonly instance: string
  readonly node: string
  readonly cwd: string
}

export interface Ran {
  readonly text: string
  /** ms */
  readonly took: number
}

/** It could not be run, or did not answer. */
export class Failed extends Error {}

/** The scheduler in words, without its arguments: they may hold a secret. */
export function schedulerName({ from }: Pick<Assign, 'from'>): string {
  return fileShown(from.kind === 'module' ? from.path : (from.command[0] as string))
}

/**
 * @param input the JSON for its stdin
 * @throws Failed with one line
 */
export async function runScheduler(place: Place, assign: Assign, input: string): Promise<Ran> {
  const files = partitionFiles(place.files.scheduler)
  makeDirectory(files.directory)
  await endAll(files) // a run whose program was killed
  const mark = randomMark()
  writeFact(files.mark, mark)
  const home = await homeOf(place.files)
  makeGroup(home, files, mark)
  limitGroup(files)
  const begun = bootClock()
  try {
    const text = await answerOf(place, assign, { files, mark, input })
    return { text, took: bootClock() - begun }
  } finally {
    await endAll(files)
    removeGroup(files)
  }
}

/** Kills whatever belongs to a run. @throws Failed when something does not end */
async function endAll(files: PartitionFiles): Promise<void> {
  if (readFact(files.mark) === null) return
  const until = bootClock() + endWithin
  for (;;) {
    killMembers([files])
    if ((membersOf([files]).get(files.directory)?.length ?? 0) === 0) break
    if (bootClock() > until) throw new Failed('something that it started does not end')
    await delay(20)
  }
  for (const fact of [files.process, files.mark]) removeFact(fact)
}

/** Where the controller is not there for us, the processes are counted: see `tooMany`. */
function limitGroup({ group }: PartitionFiles): void {
  const directory = readFact(group)
  if (directory === null) return
  try {
    writeFileSync(`${directory}/pids.max`, String(mostProcesses))
  } catch {
    // Without the controller.
  }
}

interface Start {
  readonly files: PartitionFiles
  readonly mark: string
  readonly input: string
}

async function answerOf(place: Place, assign: Assign, { files, mark, input }: Start): Promise<string> {
  const { from, timeoutMs, user = '' } = assign
  const command = from.kind === 'command' ? from.command : [process.execPath, runner, from.path]
  const answersOn = from.kind === 'command' ? 1 : 3
  const group = readFact(files.group) ?? ''
  const limit = String((timeoutMs + 2000) / 1000)
  const own = [group, mark, limit, processesFor(user), user]
  const [file, ...args] = asCalled(['/bin/sh', script, ...own, ...command])
  const child = spawn(file, args, {
    ...{ cwd: place.cwd, env: environmentOf(place, mark, user), detached: true },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
  const streams = { 1: child.stdio[1], 2: child.stdio[2], 3: child.stdio[3] as NodeJS.ReadableStream | null }
  const end = new Promise<number | null>((resolve, reject) => {
    child.on('error', error => reject(new Failed(`it cannot be run: ${reason(error)}`)))
    child.on('exit', code => resolve(code))
  })
  end.catch(() => {})
  const self = child.pid === undefined ? null : processOf(child.pid)
  if (self !== null) writeFact(files.process, `${self.pid} ${self.start}`)
  child.stdin?.on('error', () => {}) // it may not read all of it
  child.stdin?.end(input)
  const answer = new Gathered(mostAnswer)
  const talk = new Gathered(mostTalk)
  for (const [number, stream] of Object.entries(streams)) {
    stream?.on('error', () => {})
    stream?.on('data', (bytes: Buffer) => (Number(number) === answersOn ? answer : talk).add(bytes))
  }
  const over = new AbortController()
  try {
    const code = await Promise.race([
      end,
      outOfBounds(over.signal, timeoutMs, files, () => {
        if (answer.isFull) return `it prints more than ${mostAnswer} bytes`
        return talk.isFull ? `it prints more than ${mostTalk} bytes beside its answer` : null
      }),
    ])
    if (code !== 0)
      throw new Failed(`exit ${code ?? 'by a signal'}${lastLine(talk.text) && `: ${lastLine(talk.text)}`}`)
    await drained(streams[answersOn], answer)
    if (answer.isFull) throw new Failed(`it prints more than ${mostAnswer} bytes`)
    return answer.utf8()
  } finally {
    over.abort()
    if (self !== null && isAlive(self)) signal(self, 'SIGKILL', true)
    for (const stream of Object.values(streams)) (stream as { destroy?: () => void } | null)?.destroy?.()
  }
}

/** The pipe may hold the end of the answer when the process is gone. Whoever else holds it open is not waited for. */
function drained(stream: NodeJS.ReadableStream | null, answer: Gathered): Promise<void> {
  return new Promise(resolve => {
    if (stream === null || (stream as { readableEnded?: boolean }).readableEnded) return resolve()
    const timer = setTimeout(resolve, 500)
    stream.on('end', () => {
      clearTimeout(timer)
      resolve()
    })
    if (answer.isFull) resolve()
  })
}

/** Rejects once it takes too long, prints too much, or starts too many processes. */
async function outOfBounds(
  over: AbortSignal,
  timeoutMs: number,
  files: PartitionFiles,
  tooMuch: () => string | null,
): Promise<never> {
  const until = bootClock() + timeoutMs
  const before = tasks()
  for (;;) {
    await delay(Math.max(10, Math.min(poll, until - bootClock())), null, { signal: over }).catch(() => {})
    if (over.aborted) return new Promise(() => {})
    const why = tooMuch() ?? (bootClock() >= until ? `no end within ${seconds(timeoutMs)}` : tooMany(files, before))
    if (why !== null) throw new Failed(why)
  }
}

/** Its processes are only counted once there are many more on the machine than before. */
function tooMany(files: PartitionFiles, before: number): string | null {
  if (tasks() < before + mostProcesses) return null
  const own = membersOf([files]).get(files.directory)?.length ?? 0
  return own > mostProcesses ? `it started more than ${mostProcesses} processes` : null
}

/** Processes and threads of the machine: "0.1 0.2 0.3 2/345 6789". */
function tasks(): number {
  return Number(/\/(\d+)/.exec(readFileSync('/proc/loadavg', 'utf8'))?.[1] ?? 0)
}

/** How many tasks its user may have; empty for root, whom the kernel does not limit. */
function processesFor(user: string): string {
  const id = user === '' ? (process.getuid?.() ?? 0) : uidOf(user)
  if (id === null || id === 0) return ''
  const own = allPids().filter(pid => userOf(pid) === id)
  const threads = own.reduce((sum, pid) => sum + threadsOf(pid), 0)
  return String(threads + roomForProcesses)
}

function threadsOf(pid: number): number {
  try {
    return Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 1)
  } catch {
    return 0
  }
}

/** It holds no Consul token. */
function environmentOf({ service, instance, node }: Place, mark: string, user: string): Record<string, string> {
  const { HOME, USER, LOGNAME, ...inherited } = inheritedEnvironment()
  const who =
    user === '' ? { ...(HOME && { HOME }), ...(USER && { USER }), ...(LOGNAME && { LOGNAME }) } : { USER: user }
  const own = { WATCHBILL_SERVICE: service, WATCHBILL_INSTANCE: instance, WATCHBILL_NODE: node, [markVariable]: mark }
  return { ...inherited, ...who, ...own }
}

/** What a pipe said, as far as it may. */
class Gathered {
  readonly #most: number
  readonly #all: Buffer[] = []
  #size = 0

  constructor(most: number) {
    this.#most = most
  }

  get isFull(): boolean {
    return this.#size > this.#most
  }

  get text(): string {
    return Buffer.concat(this.#all).toString()
  }

  add(bytes: Buffer): void {
    if (this.isFull) return
    this.#size += bytes.length
    this.#all.push(bytes)
  }

  /** @throws Failed when it is not UTF-8 */
  utf8(): string {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(this.#all))
    } catch {
      throw new Failed('it is not UTF-8')
    }
  }
}

function lastLine(text: string): string {
  return (text.trim().split('\n').at(-1) ?? '').replace(/\p{Cc}+/gu, ' ').slice(0, 300)
}
