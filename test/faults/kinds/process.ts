/** What happens to single processes: handlers, the guard, shepherds, workers. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Process, parseProcess, signal } from '../../../lib/process/identity.ts'
import { readLine } from '../../../lib/state/facts.ts'
import { instanceFiles, localPartitions } from '../../../lib/state/instance.ts'
import { processes } from '../../cluster/stage.ts'
import type { Agent } from '../../lab/cluster.ts'
import type { Fault, Heal, Scene } from '../fault.ts'
import { drain } from './consul.ts'

const takenOver = { takenOverWithin: 40_000 }
/** A guard that exits with 1 is only a warning to Consul: the session's TTL of 30 s ends it, up to twice as late. */
const takenOverByTtl = { takenOverWithin: 100_000 }
/** How long a handler may live at most before it is killed, ms. */
const handlersLive = 1000
const nothing: Heal = async () => {}

/** The living shepherds of a host. */
function shepherds({ lab, agent }: Scene): Process[] {
  const files = instanceFiles(agent.state, lab.instance(agent))
  return localPartitions(files).flatMap(id => parseProcess(readLine(files.partition(id).shepherd)) ?? [])
}

function workers({ lab, agent }: Scene): Process[] {
  return [...processes(agent, lab.definition).values()]
}

/** Puts another program in the guard's place; null for none. */
function replaceGuard({ lab, agent }: Scene, program: string | null): Heal {
  const guard = join(lab.homeOf(agent), 'current/guard.cjs')
  renameSync(guard, `${guard}.good`)
  // A new file: this one's contents are a link to everybody's.
  if (program !== null) writeFileSync(guard, program)
  return async () => renameSync(`${guard}.good`, guard)
}

/** Kills whatever handler starts on the host, at a moment of chance, as long as `on` says so. */
async function killHandlers({ host, random }: Scene, on: () => boolean): Promise<void> {
  const seen = new Set<number>()
  while (on()) {
    for (const pid of host.group.pids) {
      if (seen.has(pid) || !isHandler(pid)) continue
      seen.add(pid)
      setTimeout(() => isHandler(pid) && process.kill(pid, 'SIGKILL'), random.below(handlersLive))
    }
    await pause(10)
  }
}

function isHandler(pid: number): boolean {
  try {
    return /\/(on-service|on-keyprefix|on-checks|reconcile)\.cjs\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))
  } catch {
    return false // it ended by itself
  }
}

export const processFaults: readonly Fault[] = [
  {
    name: 'handler-kill', // every handler of the host, while it has to give everything up and take it again
    hits: 'client',
    lasts: 8000,
    gap: 'local',
    inject: async scene => {
      let over = false
      const killing = killHandlers(scene, () => !over)
      await drain(scene, 'on')
      await pause(4000)
      await drain(scene, 'off')
      return async () => {
        over = true
        await killing
      }
    },
  },
  {
    name: 'guard-hung',
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async scene => replaceGuard(scene, 'setInterval(() => {}, 1000)'),
  },
  {
    name: 'guard-failing',
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async scene => replaceGuard(scene, 'process.exit(2)'),
  },
  {
    name: 'guard-missing',
    hits: 'client',
    lasts: takenOverByTtl,
    gap: 'takeover',
    inject: async scene => replaceGuard(scene, null),
  },
  {
    name: 'shepherd-kill',
    hits: 'client',
    lasts: 8000,
    gap: 'local',
    inject: async scene => {
      signal(scene.random.pick(shepherds(scene)), 'SIGKILL')
      return nothing
    },
  },
  {
    name: 'shepherd-stop', // SIGSTOP, and SIGCONT after 40 s: the lease runs all the time
    hits: 'client',
    lasts: 40_000,
    gap: 'none',
    inject: async scene => {
      const shepherd = scene.random.pick(shepherds(scene))
      signal(shepherd, 'SIGSTOP')
      return async () => void signal(shepherd, 'SIGCONT')
    },
  },
  {
    name: 'shepherds-stop-cut', // and nobody but the guard can end what they look after
    hits: 'client',
    lasts: 40_000,
    gap: 'takeover',
    inject: async scene => {
      const { lab, host } = scene
      const stopped = shepherds(scene)
      for (const shepherd of stopped) signal(shepherd, 'SIGSTOP')
      await lab.lan.unplug(host)
      return async () => {
        for (const shepherd of stopped) signal(shepherd, 'SIGCONT')
        await lab.lan.plug(host)
      }
    },
  },
  {
    name: 'worker-kill',
    hits: 'client',
    lasts: 5000,
    gap: 'clean',
    inject: async scene => {
      signal(scene.random.pick(workers(scene)), 'SIGKILL')
      return nothing
    },
  },
  {
    name: 'grandchild', // a worker is killed that has a process outside its group, which goes on
    hits: 'client',
    lasts: 5000,
    gap: 'clean',
    inject: async ({ lab, random }) => {
      signal(random.pick(lab.clients.flatMap(agent => withGrandchild(agent, lab.definition))), 'SIGKILL')
      return nothing
    },
  },
]

function withGrandchild(agent: Agent, definition: Scene['lab']['definition']): Process[] {
  return [...processes(agent, definition)].flatMap(([id, process]) => (/[37]$/.test(id) ? [process] : []))
}
