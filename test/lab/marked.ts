/**
 * What a lab's agents left behind: handlers and workers outlive their agent, as they should. They are known by the mark
 * in their environment, which names the lab's folder; no process of anybody else carries it.
 */
import { readdir, readFile } from 'node:fs/promises'
import { mark } from './agent.ts'
import { until } from './until.ts'

/** The pids of the running processes that carry this lab's mark. */
export async function marked(root: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number)
  const ours = await Promise.all(pids.map(pid => carries(pid, `${mark}=${root}`)))
  return pids.filter((_, i) => ours[i])
}

/** Kills them, and looks again until there are none: one may have been starting another meanwhile. */
export async function killMarked(root: string): Promise<void> {
  await until(`the processes of ${root} to be gone`, async see => {
    const pids = see(await marked(root))
    for (const pid of pids) kill(pid)
    return pids.length === 0
  })
}

/** A zombie has an empty environment and so counts as gone. */
async function carries(pid: number, variable: string): Promise<boolean> {
  if (pid === process.pid) return false
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
  return environment.split('\0').includes(variable)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself since we looked.
  }
}
