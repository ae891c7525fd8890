/**
 * Finds the processes that a lab's agents left behind: handlers, shepherds and workers outlive their agent on purpose. The
 * lab's folder identifies them: the lab's mark in their environment names it, or their state directory, or an argument.
 */
import { readdirSync, rmdirSync } from 'node:fs'
import { glob, readdir, readFile } from 'node:fs/promises'
import { mark } from './agent.ts'
import { until } from './until.ts'

/** The pids of the running processes that carry this lab's mark. */
export async function marked(root: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number)
  const ours = await Promise.all(pids.map(pid => names(pid, root)))
  return pids.filter((_, i) => ours[i])
}

/** Kills them, and looks again until there are none: one may have started another meanwhile. */
export async function killMarked(root: string): Promise<void> {
  await until(`the processes of ${root} to be gone`, async see => {
    const pids = see(await marked(root))
    for (const pid of pids) kill(pid)
    return pids.length === 0
  })
  await removeGroups(root)
}

/** The control groups that its instances made. One that another lab uses too is not empty, and stays. */
async function removeGroups(root: string): Promise<void> {
  for await (const fact of glob(`${root}/**/groups`)) {
    const [, directory = '-'] = (await readFile(fact, 'utf8').catch(() => '')).split('\n')
    if (directory !== '-') removeTree(directory)
  }
  // Those of version 1, of partitions with limits.
  for await (const fact of glob(`${root}/**/partition/*/limits`)) {
    const text = await readFile(fact, 'utf8').catch(() => '')
    for (const [, directory] of text.matchAll(/^join (.*)\/cgroup\.procs$/gm)) removeTree(directory as string)
  }
}

function removeTree(group: string): void {
  try {
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(`${group}/${entry.name}`)
    rmdirSync(group)
  } catch {
    // It is gone, or in use.
  }
}

/** A zombie has neither environment nor arguments, and so counts as gone. */
async function names(pid: number, root: string): Promise<boolean> {
  if (pid === process.pid) return false
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')
  const [environment, line] = await Promise.all([read('environ'), read('cmdline')])
  const variables = environment.split('\0')
  return variables.includes(`${mark}=${root}`) || `${environment}${line}`.includes(`${root}/`)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself since we looked.
  }
}
