/** Faults of single processes: handlers, the guard, shepherds, workers. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { isAlive, type Process, parseProcess, processOf, signal } from '../../../lib/machine/identity.ts'
import { namesIn, readFact, readLine } from '../../../lib/state/facts.ts'
import { localPartitions } from '../../../lib/state/paths.ts'
import { processes } from '../../cluster/stage.ts'
import type { Agent } from '../../lab/cluster.ts'
import { until } from '../../lab/until.ts'
import type { Fault, Heal, Scene } from '../fault.ts'
import { drain } from './consul.ts'

const takenOver = { takenOverWithin: 40_000 }
/**
 * A guard that exits with 1 is only a warning to Consul, so the session's TTL of 30 s ends it; Consul may be twice as
 * late.
 */
const takenOverByTtl = { takenOverWithin: 100_000 }
/** How long a handler may live at most before it is killed, ms. */
const handlersLive = 1000
const nothing: Heal = async () => {}

/** The live shepherds of a host. */
export function shepherds({ lab, agent }: Scene): Process[] {
  const files = lab.files(agent)
  return localPartitions(files).flatMap(id => parseProcess(readLine(files.partition(id).shepherd)) ?? [])
}

function workers({ lab, agent }: Scene): Process[] {
  return [...processes(agent, lab.definition).values()]
}

function killShepherds(scene: Scene): void {
  for (const shepherd of shepherds(scene)) signal(shepherd, 'SIGKILL')
}

/** The clock of a host's instance. @throws Error when it has none */
function clockOf({ lab, agent }: Scene): Process {
  const clock = parseProcess(readFact(lab.files(agent).clock.promise)?.split(' ', 2).join(' ') ?? null)
  if (clock === null || !isAlive(clock)) throw new Error('the host has no clock')
  return clock
}

/** Waits until no shepherd of the host has a timer: its process is then its only child. */
async function untilClocked({ lab, agent, ...scene }: Scene): Promise<void> {
  const others = ({ pid }: Process) => {
    const own = new Set([...processes(agent, lab.definition).values()].map(process => process.pid))
    return childrenOf(pid).filter(child => !own.has(child))
  }
  const scened = { lab, agent, ...scene }
  const goesByIt = () => clockOf(scened) && shepherds(scened).every(shepherd => others(shepherd).length === 0)
  await until('all shepherds to go by a clock', () => attempted(goesByIt), { deadline: 60_000, every: 100 })
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
}

/** @returns the child of this process, stopped; null when it has none, or another one by then */
function stopOnlyChild(pid: number): Process | null {
  const child = processOf(childrenOf(pid)[0] ?? 0)
  if (child === null || !signal(child, 'SIGSTOP')) return null
  return childrenOf(pid).includes(child.pid) ? child : null
}

function attempted<T>(condition: () => T): T | false {
  try {
    return condition()
  } catch {
    return false // there is none yet, or one of them ended
  }
}

/** Starts a clock as the guard does. The guard itself starts none while Consul does not answer. */
function startClock({ lab, agent, host }: Scene): void {
  const { directory, pipe } = lab.files(agent).clock
  const lib = join(lab.homeOf(agent), 'current/lib')
  const args = ['exec', '', `${lib}/clock.sh`, '/', '1', '', directory, '2', directory, String(lab.lease)]
  const [file = '', ...enter] = [...host.place.enter, '/bin/sh', `${lib}/launch.sh`, ...args]
  spawn(file, enter, { stdio: 'ignore', detached: true, env: { ...process.env, _clock: pipe } })
}

/**
 * The holder of a handler lock, by its file's name only: the file's text names the host's boot, which differs from the
 * lab's.
 */
function handlerIn(lock: string): Process | null {
  return namesIn(lock).flatMap(name => parseProcess(name.replace('-', ' ')) ?? [])[0] ?? null
}

/** Kills every shepherd and process of the host's partitions, except processes that left their group. */
function killAll(scene: Scene): void {
  killShepherds(scene)
  for (const worker of workers(scene)) signal(worker, 'SIGKILL', true)
}

/**
 * Forges marks for each partition of the host, until the result is called. The starter has no mark, so killing marked
 * processes does not stop it.
 */
function forgers({ lab, agent, host }: Scene): () => void {
  const on = join(lab.root, 'forged')
  writeFileSync(on, '')
  for (const [id, { pid }] of processes(agent, lab.definition)) {
    const [limit = 'unlimited'] = /(?<=^Max file locks +)\S+/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1')) ?? []
    const bearer = '(ulimit -w "$2"; WATCHBILL_DIR=$3 exec sleep 0.1) &'
    const line = `while [ -e "$1" ]; do ${bearer} sleep 0.03; done`
    const user = ['setpriv', '--reuid', stranger, '--regid', stranger, '--clear-groups']
    const [file = '', ...args] = [...host.place.enter, ...user, '/bin/sh', '-c', line, 'sh', on, limit]
    spawn(file, [...args, lab.files(agent).partition(id).directory], { stdio: 'ignore' })
  }
  return () => rmSync(on)
}

/** A user that is neither root nor the one that agents may run as. */
const stranger = '65533'

/** Replaces the guard by another program; null removes it. */
function replaceGuard(scene: Scene, program: string | null): Heal {
  return replaceProgram(scene, 'guard', () => program)
}

/** Replaces one of the host's programs. @param made the new text, from the old one; null removes the program */
export function replaceProgram({ lab, agent }: Scene, name: string, made: (good: string) => string | null): Heal {
  const file = join(lab.homeOf(agent), `current/${name}.cjs`)
  const text = made(readFileSync(file, 'utf8'))
  renameSync(file, `${file}.good`)
  // Written as a new file: the old one is a link to the file of all hosts.
  if (text !== null) writeFileSync(file, text)
  return async () => renameSync(`${file}.good`, file)
}

/** Kills every handler that starts on the host at a random moment, while `on` returns true. */
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
    name: 'handler-kill', // kills every handler of the host, while the host gives everything up and takes it again
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
    name: 'shepherds-kill', // on every host, so that every kind of program is affected
    hits: 'client',
    lasts: 8000,
    gap: 'local',
    inject: async scene => {
      for (const agent of scene.lab.clients) killShepherds({ ...scene, agent })
      return nothing
    },
  },
  {
    name: 'shepherds-kill-drain', // and their partitions must be given back
    hits: 'client',
    lasts: 15_000,
    gap: 'local',
    inject: async scene => {
      killShepherds(scene)
      await drain(scene, 'on')
      return () => drain(scene, 'off')
    },
  },
  {
    name: 'mark-forged', // another user's processes carry what can be guessed or read of a mark, and keep forking
    hits: 'client',
    lasts: 10_000,
    gap: 'clean',
    // An agent that is root counts every process with a partition's limit: without a control group, a program may have
    // become that user.
    anyGapForBareRoot: true,
    inject: async scene => {
      const stop = forgers(scene)
      await drain(scene, 'on')
      return async () => {
        stop()
        await drain(scene, 'off')
      }
    },
  },
  {
    name: 'handler-stop', // stopped by SIGSTOP while it is the only handler, and then there is work
    hits: 'client',
    lasts: 30_000,
    gap: 'local',
    inject: async scene => {
      const { lab, agent } = scene
      const { directory } = lab.files(agent)
      const held = async () => {
        await agent.reload()
        const handler = await until('a handler', () => handlerIn(`${directory}/handler.lock`), { every: 1 })
        return signal(handler, 'SIGSTOP') && handlerIn(`${directory}/handler.lock`)?.pid === handler.pid && handler
      }
      const handler = await until('a handler that is stopped', held, { deadline: 30_000 })
      killAll(scene)
      return async () => void signal(handler, 'SIGCONT')
    },
  },
  {
    name: 'handler-lock-foreign', // the lock names a live process that is no handler, as in a copied directory
    hits: 'client',
    lasts: 30_000,
    gap: 'local',
    inject: async scene => {
      const { lab, agent } = scene
      const lock = `${lab.files(agent).directory}/handler.lock`
      const { pid, start } = processOf(agent.pid as number) as Process
      await until('the handlers to be done', () => handlerIn(lock) === null, { every: 5 })
      mkdirSync(lock, { recursive: true })
      writeFileSync(`${lock}/${pid}-${start}`, '')
      for (const path of [lock, `${lock}/${pid}-${start}`]) await lab.give(path)
      killAll(scene)
      return async () => rmSync(lock, { recursive: true, force: true })
    },
  },
  {
    name: 'shepherd-stop', // SIGSTOP, and SIGCONT after 40 s, while the lease is renewed
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
    name: 'shepherds-stop-cut', // so that only the guard can end their processes
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
    name: 'clock-kill', // each shepherd then has a timer of its own
    hits: 'client',
    lasts: 15_000,
    gap: 'none',
    prepare: untilClocked,
    inject: async scene => {
      signal(clockOf(scene), 'SIGKILL')
      return nothing
    },
  },
  {
    name: 'clock-kill-cut', // during the last lease
    hits: 'client',
    lasts: 40_000,
    gap: 'takeover',
    prepare: untilClocked,
    inject: async scene => {
      const { lab, host } = scene
      const clock = clockOf(scene)
      await lab.lan.unplug(host)
      await pause(scene.random.below(lab.lease / 2)) // later on the guard ends it
      signal(clock, 'SIGKILL')
      return () => lab.lan.plug(host)
    },
  },
  {
    name: 'clock-stop-cut', // so that only the guard can end their processes
    hits: 'client',
    lasts: 40_000,
    gap: 'takeover',
    prepare: untilClocked,
    inject: async scene => {
      const { lab, host } = scene
      const clock = clockOf(scene)
      signal(clock, 'SIGSTOP')
      await lab.lan.unplug(host)
      return async () => {
        signal(clock, 'SIGCONT')
        await lab.lan.plug(host)
      }
    },
  },
  {
    name: 'clock-hang-cut', // its own timer is stopped, which does not show before the lease is over
    hits: 'client',
    lasts: 40_000,
    gap: 'takeover',
    prepare: untilClocked,
    inject: async scene => {
      const { lab, host } = scene
      const { pid } = clockOf(scene)
      const timer = await until('the timer to be stopped', () => attempted(() => stopOnlyChild(pid)), { every: 5 })
      await lab.lan.unplug(host)
      return async () => {
        signal(timer, 'SIGKILL')
        await lab.lan.plug(host)
      }
    },
  },
  {
    name: 'clock-anew-cut', // killed, and a second one started, during the last lease
    hits: 'client',
    lasts: 40_000,
    gap: 'takeover',
    prepare: untilClocked,
    inject: async scene => {
      const { lab, host } = scene
      const clock = clockOf(scene)
      await lab.lan.unplug(host)
      await pause(scene.random.below(lab.lease / 2))
      signal(clock, 'SIGKILL')
      await until('it to be gone', () => !isAlive(clock), { every: 5 })
      startClock(scene)
      return () => lab.lan.plug(host)
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
    name: 'grandchild', // kills a worker whose second process, outside its group, goes on
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
