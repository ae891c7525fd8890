/** `watchbill lock` as a test runs it: a process, with what it printed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lockKeysOf } from '../../lib/base/names.ts'
import { pids, variable } from '../handlers/support/processes.ts'
import { handlers } from '../handlers/support/programs.ts'
import type { Agent } from '../lab/agent.ts'
import { type Beat, readBeats } from '../lab/beats.ts'
import { until } from '../lab/until.ts'

export const worker = join(import.meta.dirname, '../lab/worker.sh')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface HowToLock {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** Where it finds Consul; at the agent when left out. */
  readonly http?: string
  /** What is run with these arguments; handlers/lock.ts when left out. */
  readonly program?: readonly [string, ...string[]]
}

export const fromSources = [process.execPath, join(handlers, 'lock.ts')] as const

export class Locker {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  constructor(
    agent: Agent,
    args: readonly string[],
    { env = {}, stdin = '', http = agent.http, program = fromSources }: HowToLock = {},
  ) {
    const [file, ...words] = program
    const child = spawn(file, [...words, ...args], {
      env: { ...agent.env, CONSUL_HTTP_ADDR: http, ...env },
      stdio: 'pipe',
    })
    this.child = child
    child.stdin.on('error', () => {}).end(stdin)
    child.stdout.on('data', text => {
      this.stdout += text
    })
    child.stderr.on('data', text => {
      this.stderr += text
    })
    this.ended = new Promise(resolve =>
      child.on('exit', (code, signal) => {
        // What outlives it may hold its pipes.
        setImmediate(() => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }))
      }),
    )
  }

  get pid(): number {
    return this.child.pid as number
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  said(text: string): Promise<true> {
    return until(`lock to say ${text}`, see => see(this.stdout + this.stderr).includes(text), { deadline: 20_000 })
  }
}

/** The processes under a lock, by what stands in their environment alone. */
export function under(agent: Agent, name: string): number[] {
  return pids().filter(
    pid => variable(pid, 'WATCHBILL_LOCK') === name && variable(pid, 'WATCHBILL_LAB') === agent.env.WATCHBILL_LAB,
  )
}

/** A file that workers of one test beat into. */
export class Beats {
  readonly file: string

  constructor(agent: Agent, name: string) {
    this.file = join(agent.folder, `${name}.beats`)
    writeFileSync(this.file, '')
  }

  read(): Promise<Beat[]> {
    return readBeats(this.file)
  }

  /** The pids that ever beat, in their order. */
  async workers(): Promise<number[]> {
    return [...new Set((await this.read()).map(({ pid }) => pid))]
  }

  /** Waits until so many different processes have beaten. */
  count(many: number, deadline = 40_000): Promise<true> {
    return until(`${many} workers to have beaten`, async see => see(await this.workers()).length >= many, { deadline })
  }

  /** Waits until the process that beat last has beaten again. */
  async goOn(): Promise<void> {
    const { length } = await this.read()
    await until('another beat', async () => (await this.read()).length > length + 1)
  }
}

export interface RawEntry {
  readonly Key: string
  readonly Value: string | null
  readonly Session?: string
}

/** What Consul holds of a lock: key below its root -> value and session. */
export async function keysOfLock(
  agent: Agent,
  name: string,
): Promise<Map<string, { value: string; session: string | null }>> {
  const { root } = lockKeysOf(name)
  const path = root.split('/').map(encodeURIComponent).join('/')
  const entries = await agent.api<RawEntry[]>('GET', `/v1/kv/${path}?recurse&consistent`)
  return new Map(
    entries.map(({ Key, Value, Session }) => [
      Key.slice(root.length),
      { value: Buffer.from(Value ?? '', 'base64').toString(), session: Session ?? null },
    ]),
  )
}

export async function sessionOf(agent: Agent, name: string): Promise<string> {
  return until('the lock to be held', async () => (await keysOfLock(agent, name)).get('slot/0')?.session)
}

/** How many sessions bear a lock's name. */
export async function sessions(agent: Agent, name: string): Promise<number> {
  const all = await agent.api<{ Name: string }[]>('GET', '/v1/session/list')
  return all.filter(({ Name }) => Name.endsWith(` ${lockKeysOf(name).root}`)).length
}

/** R, S, T, …; of what a process's stat says. */
export function statField(pid: number, field: 'group' | 'session' | 'foreground'): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const [, , group, session, , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number({ group, session, foreground }[field])
}
