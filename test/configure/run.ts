/** Runs configure, or what it has put into a release, with nothing of our own environment but a PATH. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { execa } from 'execa'

export const root = join(import.meta.dirname, '../..')
const source = join(root, 'handlers/configure.ts')
/** Nobody listens there. */
export const nowhere = '127.0.0.1:9'

export type Environment = Readonly<Record<string, string>>

export interface Ended {
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export async function run(file: string, args: readonly string[], env: Environment = {}): Promise<Ended> {
  const { exitCode, stdout, stderr } = await execa(file, args, {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
  })
  return { code: exitCode, stdout, stderr }
}

/** handlers/configure.ts, with nobody at Consul's address unless `env` names another. */
export async function configure(args: readonly string[], env: Environment = {}): Promise<Ended> {
  return run(process.execPath, [source, ...args], { CONSUL_HTTP_ADDR: nowhere, ...env })
}

/** A folder of its own for a test file, removed after it. */
export function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'watchbill-configure-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export const small = { name: 'mail', partitions: { range: [0, 3] }, run: { command: ['/bin/sleep', '1000'] } }

/** Writes a definition. @returns its file */
export function define(directory: string, more: Readonly<Record<string, unknown>> = {}, name = 'mail.json'): string {
  const file = join(directory, name)
  writeFileSync(file, JSON.stringify({ ...small, ...more }))
  return file
}
