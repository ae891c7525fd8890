/**
 * Control groups on a machine with systemd. Only systemd may make groups there, except in a subtree that it has
 * delegated. As root, one scope per instance is requested with `Delegate=yes`. The scope is outside the agent's unit,
 * so a restart of that unit ends no process in it. Another user has a subtree only when the agent's unit says
 * `Delegate=yes`: then systemd has given the unit's directory to that user.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { randomMark } from '../../machine/marks.ts'
import type { InstanceFiles } from '../../state/paths.ts'
import { type Home, usable } from './home.ts'

type Place = Pick<InstanceFiles, 'directory'>

/** The time limit for making a scope, ms. */
const patience = 3000

export async function systemdHome(own: { mount: string; path: string }, files: Place): Promise<Home> {
  const unit = `${own.mount}${own.path}`
  if (process.getuid?.() !== 0) return usable(unit, files, "the agent's unit says Delegate=yes")
  const path = await newScope(files)
  if (path === null) return { directory: null, why: 'systemd-run could not make a scope with Delegate=yes' }
  return usable(`${own.mount}${path}`, files, 'a scope that systemd made')
}

/**
 * Whether systemd is ending the processes of a scope, or has ended them: it would also kill any process started there
 * now. False when systemd does not say so.
 */
export function isStopping(scope: string): Promise<boolean> {
  return new Promise(resolve => {
    const child = spawn('systemctl', ['is-active', scope], { stdio: ['ignore', 'pipe', 'ignore'], timeout: patience })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      said += text
    })
    child.on('error', () => resolve(false))
    child.on('close', () => resolve(['deactivating', 'inactive', 'failed'].includes(said.trim())))
  })
}

/**
 * systemd removes a scope when its last process ends. So the scope's first process stays until this program ends; by
 * then the shepherds are in the scope.
 * @returns the path of its group; null when there is none
 */
function newScope({ directory }: Place): Promise<string | null> {
  const name = basename(directory)
    .replace(/[^\w:.-]/g, '_')
    .slice(0, 100)
  const unit = `watchbill-${name}-${randomMark().slice(-6)}`
  // Units stop in the reverse order: at shutdown the scope stays until the partitions are handed over.
  const properties = ['--property=Delegate=yes', '--property=Before=watchbill-handover.service']
  const options = ['--scope', '--quiet', '--collect', '--unit', unit, ...properties]
  const holder = ['/bin/sh', '-c', 'while read -r line; do echo "$line"; done </proc/self/cgroup; echo; read -r line']
  return new Promise(resolve => {
    const child = spawn('systemd-run', [...options, '--description', `Partitions of ${name}`, ...holder], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    })
    const timer = setTimeout(() => finish(null), patience)
    let said = ''
    const finish = (path: string | null) => {
      clearTimeout(timer)
      resolve(path)
    }
    child.stdout.setEncoding('utf8').on('data', text => {
      said += text
      if (said.endsWith('\n\n')) finish(/^0::(\/.*)$/m.exec(said)?.[1] ?? null)
    })
    // Not at `exit`: the output may be read only after that.
    child.on('error', () => finish(null)).on('close', () => finish(null))
    child.stdin.on('error', () => {})
    for (const part of [child, child.stdin, child.stdout]) (part as { unref?: () => void }).unref?.()
  })
}

/**
 * The files to which a process writes 0 to join the shepherds' group. Where systemd keeps its own list of processes in
 * a version 1 hierarchy besides version 2, the scope's file there is included, because systemd kills by either list.
 */
export function namedHierarchy(mount: string, scope: string): string[] {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find(line => / - cgroup .*name=systemd/.test(line))
  const procs = line && `${line.split(' ')[4]}${scope.slice(mount.length)}/cgroup.procs`
  return procs && existsSync(procs) ? [procs] : []
}
