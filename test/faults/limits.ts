/**
 * Applies every limit of the machine to every part of watchbill, each part on its own host, which is then cut off. A
 * part that is slowed down by the limit must not keep anything running. The other hosts take over.
 *
 * A limit of a process is set for real; for any other limit, strace makes system calls fail as the machine would.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { processes } from '../cluster/stage.ts'
import type { Fault, Heal, Scene } from './fault.ts'
import { contest } from './kinds/lock.ts'
import { replaceProgram, shepherds } from './kinds/process.ts'
import { isWhole, type Played } from './play.ts'
import type { Trial } from './trial.ts'

/** A program that takes `-p PID`, or a command. */
type Tool = readonly [string, ...string[]]

const failing = (calls: string, error: string): Tool => {
  const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}`]
  return ['/usr/bin/strace', '-f', '-qq', '-o', '/dev/null', ...inject]
}
const forks = 'clone,clone3,fork,vfork'

const limits: Readonly<Record<string, Tool>> = {
  EMFILE: ['/usr/bin/prlimit', '--nofile=3:3'],
  ENFILE: failing('open,openat,pipe,pipe2,socket,dup,dup2,dup3', 'ENFILE'),
  ENOMEM: failing(`${forks},mmap,brk`, 'ENOMEM'),
  'pids.max': failing(forks, 'EAGAIN'),
  NPROC: ['/usr/bin/prlimit', '--nproc=1:1'], // root has none
  FSIZE: ['/usr/bin/prlimit', '--fsize=0:0'],
}

/** How long the limit lasts before the host is cut off, and how long the cut lasts, ms. */
const felt = 8000
const cut = 30_000

const handlers = ['on-service', 'on-keyprefix', 'on-checks', 'reconcile']

/** The parts, and how a limit is applied to each; the heal frees later processes from it. */
const parts: Readonly<Record<string, (scene: Scene, tool: Tool) => Promise<Heal>>> = {
  shepherd: async (scene, tool) => onAll(shepherds(scene), tool),
  guard: async (scene, tool) => under(scene, ['guard'], tool),
  handler: async (scene, tool) => under(scene, handlers, tool),
  worker: async (scene, tool) => onAll([...processes(scene.agent, scene.lab.definition).values()], tool),
  lock: async (scene, tool) => {
    const { lockers, end } = await contest(scene)
    const pid = lockers[0]?.pid as number
    const held = await onAll([{ pid }, ...lockShepherdsOf(pid)], tool)
    return async () => {
      await held()
      await end()
    }
  },
}

async function onAll(processes: readonly { pid: number }[], [file, ...args]: Tool): Promise<Heal> {
  const tools = processes.map(({ pid }) => spawn(file, [...args, '-p', String(pid)], { stdio: 'ignore' }))
  if (file.endsWith('prlimit')) await Promise.all(tools.map(tool => ended(tool)))
  return async () => {
    for (const tool of tools) tool.kill('SIGKILL')
  }
}

async function ended(child: ChildProcess): Promise<unknown> {
  return child.exitCode ?? new Promise(resolve => child.once('exit', resolve))
}

/** Replaces each program by one that runs the original under the limit. */
async function under(scene: Scene, programs: readonly string[], tool: Tool): Promise<Heal> {
  const heals = programs.map(name =>
    replaceProgram(scene, name, good => {
      const words = tool.map(word => JSON.stringify(word)).join()
      const again = `[${words}, process.execPath, __filename, ...process.argv.slice(2)]`
      return `if (!process.env.LIMITED) process.execve(${JSON.stringify(tool[0])}, ${again}, { ...process.env, LIMITED: '1' })\n${good}`
    }),
  )
  return async () => {
    for (const heal of heals) await heal()
  }
}

function lockShepherdsOf(pid: number): { pid: number }[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
  return children
    .filter(child => readFileSync(`/proc/${child}/cmdline`, 'latin1').includes('lock-shepherd.sh'))
    .map(pid => ({ pid }))
}

function limited(limit: string, part: string): Fault {
  return {
    name: `${limit}:${part}`,
    hits: 'client',
    lasts: cut,
    gap: 'any',
    inject: async scene => {
      const { lab, host } = scene
      const heal = await parts[part]?.(scene, limits[limit] as Tool)
      await pause(felt)
      await lab.lan.unplug(host)
      return async () => {
        await heal?.()
        await lab.lan.plug(host)
      }
    },
  }
}

/** One host for each part, and one to take over. */
export const limitedHosts = Object.keys(parts).length + 1

/** One trial for each limit. @param only these limits */
export function limitTrials(hosts: readonly string[], only: readonly string[] = Object.keys(limits)): Trial[] {
  return only.map(limit => {
    if (!limits[limit]) throw new Error(`there is no limit ${limit}; there are ${Object.keys(limits).join(', ')}`)
    const faults = Object.keys(parts).map(part => limited(limit, part))
    return { faults, hosts: hosts.slice(0, faults.length), delays: faults.map(() => 0), seed: 1 }
  })
}

/** One row per limit: how long each part's host had an owner beside another one. */
export function limitTable(played: readonly Played[]): { lines: string[]; ok: boolean } {
  const rows = played.filter(isWhole).map(({ faultNames, hosts, faults }) => {
    const cells = faultNames.map((name, at) => `${name.split(':')[1]} ${beside(faults, hosts[at] as string)} s`)
    return `${faultNames[0]?.split(':')[0]}: two owners with ${cells.join(', ')}`
  })
  return { lines: rows, ok: true }
}

function beside(faults: readonly string[], host: string): string {
  const times = faults.flatMap(fault => {
    const [, ms] =
      fault.includes(`: ${host}:`) || fault.includes(`and ${host}:`)
        ? (/had two owners for (\d+) ms/.exec(fault) ?? [])
        : []
    return ms === undefined ? [] : [Number(ms)]
  })
  return (times.reduce((a, b) => a + b, 0) / 1000).toFixed(2)
}
