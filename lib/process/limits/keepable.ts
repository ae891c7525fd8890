/** Which limits of a definition cannot be kept on this machine, for configure and doctor: before anything is started. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Definition } from '../../definition/definition.ts'
import type { ulimits } from '../../definition/limits.ts'
import { isProgram } from '../../machine/is-program.ts'
import { amountsOf } from './apply.ts'
import { type AgentHere, type Controllers, controllersOf } from './controllers.ts'

/** @returns `<field>: <why>` of each; none for a definition without limits */
export function unkept(
  { run: { limits } }: Definition,
  agent: AgentHere,
  controllers: Controllers | null = null,
): string[] {
  if (limits === undefined) return []
  const { user, group, nice = 0, ulimit = {}, readOnly, private: own } = limits
  const isRoot = agent.uid === 0
  const places = controllers ?? (amountsOf(limits).length > 0 ? controllersOf(agent) : null)
  const faults: (string | null)[] = [
    user === undefined ? null : userFault(user, agent),
    group === undefined ? null : groupFault(group, isRoot),
    nice < 0 && !isRoot ? `run.nice: only an agent that is root can go below 0` : null,
    ...amountsOf(limits).map(amount => {
      const place = places?.[amount]
      return typeof place === 'string' ? `run.${amount}: ${place}` : null
    }),
    ...Object.entries(ulimit).map(([name, value]) => ulimitFault(name, value, agent)),
    readOnly && mountFault('readOnly', isRoot),
    own ? mountFault('private', isRoot) : null,
    Object.keys(ulimit).length > 0 ? toolFault('ulimit', 'prlimit') : null,
  ].map(one => one ?? null)
  return faults.filter(one => one !== null)
}

function userFault(user: string, { uid }: AgentHere): string | null {
  const found = known('passwd', user)
  if (found === null) return `run.user: there is no user ${user} on this machine`
  if (Number(found[2]) === uid && uid !== 0) return null
  if (uid !== 0) return `run.user: only an agent that is root can run commands as ${user}`
  return toolFault('user', 'setpriv')
}

function groupFault(group: string, isRoot: boolean): string | null {
  if (known('group', group) === null) return `run.group: there is no group ${group} on this machine`
  return isRoot ? null : `run.group: only an agent that is root can run commands with another group`
}

function known(database: string, name: string): string[] | null {
  const { stdout, status } = spawnSync('getent', [database, name], { encoding: 'utf8', timeout: 3000 })
  return status === 0 ? stdout.trim().split(':') : null
}

function mountFault(field: string, isRoot: boolean): string | null {
  return isRoot ? toolFault(field, 'unshare') : `run.${field}: only an agent that is root can mount`
}

/** The tools of util-linux, which confine.sh uses. */
function toolFault(field: string, tool: string): string | null {
  const isThere = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some(directory => isProgram(`${directory}/${tool}`))
  return isThere ? null : `run.${field}: there is no ${tool} on this machine; install util-linux`
}

/** As /proc/PID/limits names them. */
const names: Readonly<Record<(typeof ulimits)[number], string>> = {
  nofile: 'Max open files',
  nproc: 'Max processes',
  core: 'Max core file size',
  fsize: 'Max file size',
  data: 'Max data size',
  stack: 'Max stack size',
  as: 'Max address space',
  cpu: 'Max cpu time',
  memlock: 'Max locked memory',
}

/** Only with CAP_SYS_RESOURCE, which root has where nobody took it, a hard limit may be raised. */
function ulimitFault(name: string, value: number | 'unlimited', { pid }: AgentHere): string | null {
  if (mayRaise(pid)) return null
  const hard = hardLimit(names[name as keyof typeof names], pid)
  if (hard === null || hard === 'unlimited' || (value !== 'unlimited' && value <= Number(hard))) return null
  return `run.ulimit.${name}: the agent may have ${hard} at most`
}

function mayRaise(pid: number | null): boolean {
  try {
    const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid ?? 'self'}/status`, 'utf8'))?.[1]
    return ((BigInt(`0x${capabilities ?? 0}`) >> 24n) & 1n) === 1n
  } catch {
    return false
  }
}

function hardLimit(name: string, pid: number | null): string | null {
  try {
    const line = readFileSync(`/proc/${pid ?? 'self'}/limits`, 'utf8')
      .split('\n')
      .find(line => line.startsWith(name))
    return line?.slice(name.length).trim().split(/\s+/)[1] ?? null
  } catch {
    return null
  }
}
