/** Has every instance on this machine leave, each in a process of its own: each has its own token, address and user. */
import { spawn } from 'node:child_process'
import { Temporary } from '../base/errors.ts'
import { instancesToLeave, type ToLeave } from './instances-to-leave.ts'

/** So many leave at the same time: each is a Node. */
const atOnce = 8

/** What one has at least, also when those before it took all of the limit, ms. */
const least = 5000

export interface LeaveAll {
  /** For all of them, ms; null where each has the limit of `leave`. */
  readonly shutdownLimit: number | null
  /** Arguments for each of them. */
  readonly more: readonly string[]
}

/**
 * @param root the state directory @param consulDir Consul's configuration directory @returns how many there were
 * @throws Temporary that names those that failed: their own lines say why
 */
export async function leaveAll(root: string, consulDir: string, { shutdownLimit, more }: LeaveAll): Promise<number> {
  const instances = instancesToLeave(root, consulDir)
  const end = performance.now() + (shutdownLimit ?? 0)
  const failed: string[] = []
  const queue = [...instances]
  const work = async () => {
    for (let here = queue.shift(); here !== undefined; here = queue.shift()) {
      const left = Math.max(Math.round(end - performance.now()), least)
      const limit = shutdownLimit === null ? [] : ['--for-shutdown', '--limit', `${left}ms`]
      if (!(await leaves(here, [...limit, ...more]))) failed.push(here.instance)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  if (failed.length > 0) throw new Temporary(`cannot leave as ${failed.join(', ')}: see above; try again`)
  return instances.length
}

function leaves({ instance, service, state, address, tokenFile, variables, user }: ToLeave, more: string[]) {
  const own = ['--instance', instance, '--state', state]
  if (address) own.push('--http-addr', address)
  if (tokenFile) own.push('--token-file', tokenFile)
  const args = [...process.execArgv, process.argv[1] as string, service, ...own, ...more]
  // What it writes must stay the agent's. Only root may become another user.
  const owner = process.getuid?.() === 0 ? user : {}
  const env = { ...process.env, ...(variables && { WATCHBILL_VARIABLES: variables }) }
  return new Promise<boolean>(resolve => {
    const child = spawn(process.execPath, args, { ...owner, env, stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', () => resolve(false)).on('exit', code => resolve(code === 0))
  })
}
