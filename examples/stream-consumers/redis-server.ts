/** A Redis of our own: on a unix socket, without persistence, for as long as this process lives. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { execa } from 'execa'
import { until } from '../../test/lab/until.ts'
import { Redis } from './redis.ts'

export const howToGet = 'redis-server is not here; get it with: apt-get install redis-server'

/** Whether there is a redis-server; installs Debian's when there is none, this is root, and apt is there. */
export async function haveRedis(say: (line: string) => void): Promise<boolean> {
  if (await works('redis-server')) return true
  if (process.getuid?.() !== 0 || !(await works('apt-get'))) return false
  say('redis-server is not here: apt-get install redis-server (on a machine with systemd, apt also starts one)')
  return (await install()) || ((await apt('update')) && (await install()))
}

export async function works(program: string): Promise<boolean> {
  const { failed } = await execa(program, ['--version'], { reject: false })
  return !failed
}

function install(): Promise<boolean> {
  return apt('install', '--yes', '--no-install-recommends', 'redis-server')
}

async function apt(...args: string[]): Promise<boolean> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const { failed } = await execa('apt-get', args, { env, stdin: 'ignore', reject: false })
  return !failed
}

export interface RedisServer {
  /** The unix socket it listens on. */
  socket: string
  pid: number
  stop: () => Promise<void>
}

/** Starts it in a folder that exists, and waits until it answers. */
export async function startRedis(folder: string): Promise<RedisServer> {
  const socket = join(folder, 'redis.sock')
  const settings = { port: '0', unixsocket: socket, save: '', appendonly: 'no', dir: folder, logfile: 'redis.log' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const child = await spawnTied('redis-server', args)
  const stop = () => end(child)
  try {
    const redis = await until('Redis to answer', () => Redis.connect(socket))
    redis.close()
    return { socket, pid: child.pid as number, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A child that dies with us however we end, where setpriv can see to that; a terminal's Ctrl-C is only for us. */
export async function spawnTied(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<ChildProcess> {
  const { failed } = await execa('setpriv', ['--pdeathsig', 'KILL', 'true'], { reject: false })
  const [file = '', ...rest] = [...(failed ? [] : ['setpriv', '--pdeathsig', 'KILL']), program, ...args]
  return spawn(file, rest, { env, detached: true, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** SIGTERM, and its end. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || !child.kill()) return
  await once(child, 'exit')
}
