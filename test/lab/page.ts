/** `watchbill page` on an agent of a lab. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Agent } from './agent.ts'
import { onHost } from './install.ts'

export interface PageProcess {
  /** With the secret, unless tokens are asked for. */
  readonly url: string
  readonly pid: number
  readonly stop: () => void
}

/** Runs until `stop`. @throws Error with what it printed when it ends instead of serving */
export async function pageOn(agent: Agent, ...more: string[]): Promise<PageProcess> {
  const [file, ...args] = onHost(agent, 'page')
  const places = ['--http-addr', agent.http, '--state', agent.state]
  const child: ChildProcess = spawn(file, [...args, ...places, ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', chunk => {
        said += chunk
        const found = /\bat (\S+)\n/.exec(said)?.[1]
        if (found !== undefined) resolve(found)
      })
    child.on('error', reject)
    child.on('exit', () => reject(new Error(`the page ended: ${said}`)))
  })
  return { url, pid: child.pid as number, stop: () => child.kill('SIGTERM') }
}
