/** Runs watchbill's programs as Consul's agent does: as processes, with stdin, arguments and environment. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

export const handlers = join(import.meta.dirname, '../../../handlers')

export interface HowToRun {
  readonly args?: readonly string[]
  /** A list comes in pieces, with a pause before each. */
  readonly stdin?: string | Buffer | readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Modules of this folder that are loaded before the program. */
  readonly preload?: readonly string[]
  /** It is killed after so many ms, and the test fails: no program may hang. */
  readonly deadline?: number
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

// Node keeps what it made of the sources: a run takes half the time.
const cache = mkdtempSync(join(tmpdir(), 'watchbill-compiled-'))
process.once('exit', () => rmSync(cache, { recursive: true, force: true }))

/** Runs `handlers/<program>.ts` to its end. @throws Error when it hangs */
export async function runProgram(program: string, how: HowToRun = {}): Promise<Ended> {
  const began = performance.now()
  const child = startProgram(program, how)
  const { deadline = 60_000 } = how
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, deadline)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  clearTimeout(timer)
  if (late) throw new Error(`${program} still ran after ${deadline} ms; it said: ${stdout}${stderr}`)
  return { code: child.exitCode, signal: child.signalCode, stdout, stderr, ms: performance.now() - began }
}

type Child = ReturnType<typeof startProgram>

function startProgram(program: string, { args = [], stdin = '', env = {}, preload = [] }: HowToRun) {
  const imports = preload.flatMap(name => ['--import', join(import.meta.dirname, `${name}.ts`)])
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [...imports, join(handlers, `${program}.ts`), ...args], {
    env: { PATH, HOME, NODE_COMPILE_CACHE: cache, ...env },
    stdio: 'pipe',
  })
  child.stdin.on('error', () => {}) // it need not read what it is given
  if (Array.isArray(stdin)) feed(child, stdin)
  else child.stdin.end(stdin)
  return child
}

async function feed({ stdin }: ChildProcessByStdio<Writable, Readable, Readable>, pieces: readonly string[]) {
  for (const piece of pieces) {
    await delay(200)
    stdin.write(piece)
  }
  stdin.end()
}

function ended(child: Child): Promise<void> {
  return new Promise((resolve, reject) => child.once('error', reject).once('close', () => resolve()))
}
