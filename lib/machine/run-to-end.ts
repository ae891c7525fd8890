/** Runs a command until its own end, or until its time is over. */
import { spawn } from 'node:child_process'
import { steadyClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { asCalled } from './caller.ts'

export interface End {
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  readonly signal: string | null
  /** Why it could not be started; null when it was. */
  readonly problem: string | null
  /** Its time was over. */
  readonly late: boolean
  /** The end of what it printed, both streams. */
  readonly said: string
}

/** How long the rest of what it says may take once it has ended, ms. */
const restLimit = 200
/** So much of that is kept, bytes. */
const mostKept = 4096

/**
 * Waits neither for what the command leaves behind, which may hold its output for ever (`ssh` with ControlPersist, a daemon that was
 * started), nor does it limit how much it says. timeout(1) ends its process group in time even when this program is killed.
 * @param limit ms
 */
export function runToEnd(
  command: readonly string[],
  limit: number,
  env: Readonly<Record<string, string>>,
): Promise<End> {
  const begun = steadyClock()
  const [file = '', ...args] = asCalled(['timeout', '-k', '1', String(limit / 1000), ...command])
  return new Promise(resolve => {
    const child = spawn(file, args, { cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'] })
    const streams = [child.stdout, child.stderr]
    let said = Buffer.alloc(0)
    const over = (end: Pick<End, 'exitCode' | 'signal' | 'problem'>) =>
      resolve({ ...end, late: end.exitCode !== 0 && steadyClock() - begun >= limit, said: said.toString() })
    for (const stream of streams)
      stream.on('data', (some: Buffer) => {
        said = Buffer.concat([said, some]).subarray(-mostKept)
      })
    child.once('error', error => over({ exitCode: null, signal: null, problem: reason(error) }))
    child.once('close', (exitCode, signal) => over({ exitCode, signal, problem: null }))
    child.once('exit', () => setTimeout(() => streams.map(stream => stream.destroy()), restLimit).unref())
  })
}
