/**
 * A process that SIGKILL does not end. No other host may get its partition until the process is gone; after that one
 * must. The host's other partitions are handed over meanwhile.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { execa } from 'execa'
import { fieldsIn } from '../../../lib/base/json.ts'
import { keysOf } from '../../../lib/base/names.ts'
import { type Process, processOf, signal } from '../../../lib/machine/identity.ts'
import { processes } from '../../cluster/stage.ts'
import { until } from '../../lab/until.ts'
import type { Fault, Heal, Scene } from '../fault.ts'
import { version2 } from '../group.ts'
import { drain } from './consul.ts'

const folder = join(import.meta.dirname, '..')
/** Longer than G and all timeouts of a stop, ms. */
const stuckFor = 15_000

function perl(script: string, ...args: string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', 'perl', join(folder, script), ...args], { stdio: 'ignore' })
}

function stateOf(pid: number): string {
  return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] ?? ''
}

/**
 * The partitions whose locks a host holds. Whether other hosts run what it gave back is not checked: they may be hit,
 * too.
 */
async function keptBy({ lab, agent }: Scene): Promise<string[]> {
  const { locks } = keysOf(lab.definition.name)
  const leader = await lab.cluster.leader()
  const held = await leader.api<{ Key: string; Value: string; Session?: string }[]>('GET', `/v1/kv/${locks}?recurse`)
  return held.flatMap(({ Key, Value, Session }) => {
    const { instance } = fieldsIn(Buffer.from(Value, 'base64').toString())
    return Session !== undefined && instance === lab.instance(agent) ? [Key.slice(locks.length)] : []
  })
}

/**
 * Drains the host; one process of a partition cannot be ended until `free`.
 * @throws Error when another host has it before that
 */
async function drainedWith(scene: Scene, id: string, stuck: Process, free: () => Promise<unknown>): Promise<Heal> {
  const { lab, agent } = scene
  const partition = `${lab.definition.name}/${id}`
  await drain(scene, 'on')
  await pause(stuckFor)
  const alive = processOf(stuck.pid)?.start === stuck.start
  const elsewhere = lab.clients.filter(client => client !== agent && processes(client, lab.definition).has(id))
  const kept = await keptBy(scene)
  await free()
  const wrong = !alive
    ? `pid ${stuck.pid} of ${partition} ended: it was not stuck`
    : elsewhere.length > 0
      ? `${partition} runs on ${elsewhere.map(({ name }) => name).join()}, and pid ${stuck.pid} of it still lived`
      : kept.some(one => one !== id) && `${kept.join()} waited for ${id}, which alone was stuck`
  if (!wrong) return () => drain(scene, 'off')
  await drain(scene, 'off')
  throw new Error(wrong)
}

export const stuckFaults: readonly Fault[] = [
  {
    name: 'ptraced', // a debugger holds it with PTRACE_O_TRACEEXIT
    hits: 'client',
    lasts: 10_000,
    gap: 'any',
    inject: async scene => {
      const { lab, agent, random } = scene
      const [id, worker] = random.pick([...processes(agent, lab.definition)])
      const tracer = perl('ptrace.pl', String(worker.pid))
      await until('it to be held', () => stateOf(worker.pid) === 't', { every: 10 })
      return drainedWith(scene, id, worker, async () => tracer.kill('SIGKILL'))
    },
  },
  {
    name: 'fuse-stuck', // its child waits for a file system that does not answer
    hits: 'client',
    lasts: 10_000,
    gap: 'any',
    inject: async scene => {
      const { lab, agent, random } = scene
      const directory = join(lab.root, 'stuck')
      mkdirSync(directory, { recursive: true })
      const server = perl('stuck-fs.pl', directory)
      // Not `stat` of the directory, which would be stuck, too.
      const isMounted = () => readFileSync('/proc/self/mountinfo', 'latin1').includes(` ${directory} `)
      await until('the file system', isMounted, { every: 10 })
      const [id, worker] = random.pick([...processes(agent, lab.definition)])
      const stuck = await joining(worker.pid, ['stat', join(directory, 'file')])
      // The child waits interruptibly until a signal comes; from then on only an answer of the file system ends it.
      const asks = () => readFileSync(`/proc/${stuck.pid}/comm`, 'latin1') === 'stat\n' && stateOf(stuck.pid) === 'S'
      await until('it to ask', asks, { every: 10 })
      signal(stuck, 'SIGKILL')
      await until('it to be stuck', () => stateOf(stuck.pid) === 'D', { every: 10 })
      return drainedWith(scene, id, stuck, async () => {
        server.kill('SIGKILL')
        await execa('umount', ['--lazy', directory])
      })
    },
  },
]

/** Runs a command with every trait of a partition's process: environment, limits, control group, user. */
async function joining(pid: number, command: readonly string[]): Promise<Process> {
  const own = readFileSync(`/proc/${pid}/cgroup`, 'latin1').match(/(?<=^0::).*/m)?.[0] ?? '/'
  const [limit = 'unlimited'] = /(?<=^Max file locks +)\S+/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1')) ?? []
  const environ = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
  const marks = environ.filter(text => /^WATCHBILL_(DIR|MARK)=/.test(text))
  const uid = String(/^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])
  const enter = `echo $$ >"$1"; ulimit -w ${limit}; shift; exec "$@"`
  const words = ['env', '-i', ...marks, 'setpriv', '--reuid', uid, '--clear-groups', ...command]
  const child = spawn('/bin/sh', ['-c', enter, 'sh', `${version2}${own}/cgroup.procs`, ...words], { stdio: 'ignore' })
  return until('a process', () => child.pid !== undefined && processOf(child.pid))
}
