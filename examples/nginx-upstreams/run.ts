/**
 * nginx in front of 30 partitions on three Consul agents, its configuration rendered by an observer on a fourth, under a steady
 * load through clean moves, roll-outs of three versions, and the kill of a worker.
 *
 *   node examples/nginx-upstreams/run.ts
 *   node examples/nginx-upstreams/run.ts --rate 300      requests a second (1000 unless said)
 *   node examples/nginx-upstreams/run.ts --json          print only the verdict
 *
 * Needs nginx: as root it is unpacked from Debian's package; otherwise says how to get it, and exits 0.
 * Exits 0 when no request failed through the moves and the roll-outs, and through the kill at most those in flight; otherwise 1.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { processes, statusOf } from '../../test/cluster/stage.ts'
import { startCluster } from '../../test/lab/cluster.ts'
import { howToGet, unpacked } from '../../test/lab/debian.ts'
import { type DefinitionFile, install, program } from '../../test/lab/install.ts'
import { freePorts } from '../../test/lab/ports.ts'
import { until } from '../../test/lab/until.ts'
import { type Running, toTheEnd, verdictLines } from '../running.ts'
import { figuresOf, Load } from './load.ts'

const here = import.meta.dirname
const options = { rate: { type: 'string', default: '1000' }, json: { type: 'boolean', default: false } } as const
const { rate, json } = parseArgs({ options }).values
const say = json ? console.error : console.log
const read = (name: string) =>
  JSON.parse(readFileSync(join(here, name), 'utf8')) as DefinitionFile & { run: object; render: object[] }

await toTheEnd(run, console.error)

async function run({ up, atTheEnd, close }: Running): Promise<number> {
  const nginx = await unpacked('nginx', 'nginx', say)
  if (nginx === null) {
    say(howToGet('nginx', 'nginx'))
    return 0
  }
  const cluster = await up(startCluster({ clients: ['w1', 'w2', 'w3', 'proxy'], say }), close)
  const [port = 0] = await freePorts(1)
  const workers = ['w1', 'w2', 'w3'].map(cluster.agent.bind(cluster))
  const host = ({ name }: { name: string }) => `127.0.1.${name.slice(1)}`
  const { run: own, ...work } = read('work.json')
  const definitions = workers.map(agent => ({
    ...work,
    name: 'work',
    meta: { host: host(agent) },
    // The names of these agents are no host names: the worker derives the address.
    run: {
      ...own,
      command: [
        '/bin/sh',
        '-c',
        'LISTEN=127.0.1.$(echo "$LISTEN" | tr -d w) exec "$0" "$1"',
        process.execPath,
        join(here, 'worker.mjs'),
      ],
    },
  }))
  for (const [at, agent] of workers.entries()) await install(agent, definitions[at] as DefinitionFile)
  const proxy = cluster.agent('proxy')
  const folder = join(cluster.root, 'nginx')
  mkdirSync(folder)
  const conf = `${folder}/nginx.conf`
  copyFileSync(join(here, 'nginx.conf.liquid'), `${folder}/nginx.conf.liquid`)
  const { render, ...observer } = read('proxy.json')
  const reload = ['/bin/sh', '-c', '[ ! -s "$1/nginx.pid" ] || kill -HUP "$(cat "$1/nginx.pid")"', 'sh', folder]
  await install(proxy, {
    ...observer,
    variables: { folder, port },
    render: [
      {
        ...render[0],
        template: `${conf}.liquid`,
        dest: conf,
        check: [nginx, '-t', '-q', '-c', '{file}'],
        command: reload,
      },
    ],
  } as DefinitionFile)
  const shown = () => (existsSync(conf) ? readFileSync(conf, 'utf8').match(/^ {4}server /gm)?.length : 0)
  const whole = () =>
    until(
      'all 30 in nginx',
      see => {
        see(shown())
        return shown() === 30
      },
      { deadline: 120_000, every: 50 },
    )
  await whole()
  const child = spawn(nginx, ['-c', conf, '-g', 'daemon off;'], { stdio: 'inherit' })
  atTheEnd(() => child.kill('SIGTERM'))
  await until('nginx to answer', () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  const load = new Load(port, Number(rate))
  const settled = async () => {
    await until('all to be well', async () => (await statusOf(proxy, 'work')).ok, { deadline: 120_000, every: 200 })
    await whole()
  }
  say(`${rate} requests a second, for 3 s without a move`)
  await until('3 s', () => load.now() > 3000)
  const begun = load.now()
  const holds = async () =>
    (await statusOf(proxy, 'work')).instances.map(({ instance, held }) => `${instance} ${held}`).join(', ')
  for (const [act, agent] of [
    ['on', 'w1'],
    ['off', 'w1'],
    ['on', 'w2'],
    ['off', 'w2'],
    ['on', 'w3'],
  ] as const) {
    await program('drain', ['work', `${agent}:work`, act, '--http-addr', proxy.http.replace('http://', '')])
    await settled()
    say(`${(load.now() / 1000).toFixed(1)} s: drain ${agent} ${act}: ${await holds()}`)
  }
  const moved = load.now()
  for (const version of ['1.1', '1.2', '2.0']) {
    const options = ['--max-unavailable', '3', '--settle', '1s', '--wait', '5m']
    await program('roll', ['work', '--to', version, ...options, '--http-addr', proxy.http.replace('http://', '')])
    await settled()
    say(`${(load.now() / 1000).toFixed(1)} s: everything runs in ${version}`)
  }
  const rolled = load.now()
  const [first] = [...processes(workers[0] as (typeof workers)[0], definitions[0] as DefinitionFile).entries()]
  const open = load.open
  const killedAt = load.now()
  process.kill(first?.[1].pid ?? Number.NaN, 'SIGKILL')
  say(`${(killedAt / 1000).toFixed(1)} s: killed the worker of ${first?.[0]} with -9; ${open} requests are in flight`)
  await until('5 s', () => load.now() > killedAt + 5000)
  await settled()
  await load.stop()
  const end = load.now()
  const moves = figuresOf(load.outcomes, begun, moved)
  const rolls = figuresOf(load.outcomes, moved, rolled)
  const kill = figuresOf(load.outcomes, killedAt - 1000, end)
  const faults = [
    ...(moves.failed > 0 ? [`${moves.failed} requests failed through the moves: ${moves.why}`] : []),
    ...(rolls.failed > 0 ? [`${rolls.failed} requests failed through the roll-outs: ${rolls.why}`] : []),
    ...(kill.failed > open ? [`${kill.failed} requests failed through the kill: ${kill.why}`] : []),
  ]
  const verdict = { faults, moves, rolls, kill: { ...kill, inFlight: open } }
  if (json) console.log(JSON.stringify(verdict))
  else {
    say(`through 5 drains: ${JSON.stringify(moves)}`)
    say(`through 3 roll-outs: ${JSON.stringify(rolls)}`)
    say(`through the kill: ${JSON.stringify(verdict.kill)}`)
    say(verdictLines(faults, 'no request failed but those in flight'))
  }
  return faults.length === 0 ? 0 : 1
}
