/** `watchbill agent` as the first process of a container, and what starts there. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder, root } from '../configure/run.ts'
import { consulBinary } from '../lab/consul.ts'
import { freePorts } from '../lab/ports.ts'
import { until } from '../lab/until.ts'

const inside = ['-pf', '--mount-proc', '--kill-child']
export const canBeFirst = spawnSync('unshare', [...inside, 'true']).status === 0

export interface Container {
  readonly child: ChildProcess
  /** Its first process, as we see it. */
  readonly init: number
  readonly http: string
  /** Runs a shell script in there. @returns what it prints */
  readonly run: (script: string) => string
  /** Starts so many processes that lose their parent and end. */
  readonly orphans: (many: number) => void
  readonly zombies: () => number
}

/** Started, and its Consul answers. */
export async function container(): Promise<Container> {
  const home = folder()
  const [http, server, serf_lan, serf_wan] = await freePorts(4)
  const ports = { http, server, serf_lan, serf_wan, dns: -1, https: -1, grpc: -1 }
  const file = join(home, 'ports.json')
  mkdirSync(home, { recursive: true })
  writeFileSync(file, JSON.stringify({ ports, performance: { raft_multiplier: 1 } }))
  const places = ['--data-dir', join(home, 'data'), '--consul-dir', join(home, 'consul.d'), '--config', file]
  const agent = ['agent', ...places, '--server', '--bootstrap', '--bind', '127.0.0.1', '--log-level', 'err']
  const env = { PATH: process.env.PATH, CONSUL_BIN: await consulBinary() }
  const command = [...inside, process.execPath, join(root, 'handlers/watchbill.js'), ...agent]
  const child = spawn('unshare', command, { cwd: '/', env, stdio: ['ignore', 'ignore', 'inherit'] })
  const init = await until('the first process', () => {
    const children = spawnSync('ps', ['-o', 'pid=', '--ppid', `${child.pid}`], { encoding: 'utf8' }).stdout
    return Number(children) || null
  })
  const address = `http://127.0.0.1:${http}`
  await until('Consul to answer', async () => (await fetch(`${address}/v1/status/leader`)).ok, { deadline: 30_000 })
  const run = (script: string) =>
    execFileSync('nsenter', ['-t', `${init}`, '-p', '-m', 'sh', '-c', script], { encoding: 'utf8' })
  return {
    child,
    init,
    http: address,
    run,
    orphans: many => run(`i=0; while [ $i -lt ${many} ]; do (true & :); i=$((i + 1)); done`),
    zombies: () => Number(run("grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l")),
  }
}
