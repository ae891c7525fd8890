/** What docs/coming-from.md prints, run as it is printed but for paths, addresses and the intervals of checks. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { before, describe, it, type TestContext } from 'node:test'
import { build } from 'esbuild'
import { execa } from 'execa'
import { WebSocketServer } from 'ws'
import { enter, processes, settled, statusOf } from '../cluster/stage.ts'
import { root as checkout } from '../configure/run.ts'
import type { Agent } from '../lab/cluster.ts'
import { consulBinary } from '../lab/consul.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { type DefinitionFile, home } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { block, blocks } from './page.ts'

const page = 'docs/coming-from.md'
const patient = { deadline: 60_000 }

describe('what the page prints', { concurrency: 1 }, () => {
  const bin = ({ folder }: Agent) => join(folder, '../bin')
  const cluster = sharedCluster({
    clients: 1,
    env: agent => ({ PATH: `${bin(agent)}:${dirname(process.execPath)}:${process.env.PATH}` }),
  })
  const agents = () => cluster().agents as [Agent, Agent]

  /** A program below the lab's folder. @returns its path */
  function script(name: string, ...lines: string[]): string {
    const file = join(cluster().root, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `#!/bin/sh\n${lines.join('\n')}\n`)
    chmodSync(file, 0o755)
    return file
  }

  function linesOf(name: string): string[] {
    const file = join(cluster().root, name)
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  }

  /** Runs a block of the page in a machine's shell. */
  function shell(agent: Agent, text: string, cwd = cluster().root) {
    const places = { WATCHBILL_CONFIG: agent.etc, WATCHBILL_STATE: agent.state, WATCHBILL_HOME: home }
    const env = { ...agent.env, ...places, CONSUL_HTTP_ADDR: agent.http }
    return execa('/bin/sh', ['-c', text], { cwd, env, extendEnv: false, reject: false })
  }

  before(async () => {
    const folder = bin(agents()[0])
    mkdirSync(folder)
    symlinkSync(join(checkout, 'handlers/watchbill.js'), join(folder, 'watchbill'))
    symlinkSync(await consulBinary(), join(folder, 'consul'))
  })

  describe("Manager's Kafka consumers", { concurrency: 1 }, () => {
    /** The page's paths, below the lab's folder; checks run every second. */
    const placed = (text: string) =>
      text
        .replaceAll('/usr/local/lib/', `${cluster().root}/lib/`)
        .replaceAll('/srv/consumer', `${cluster().root}/srv`)
        .replaceAll('"60s"', '"1s"')
    const [, commands = ''] = [block(page, 'json'), block(page, 'sh')]
    const [agentLine = '', configureLine = ''] = commands.split('\n')
    const told = (): [verb: string, partition: string, event: Record<string, unknown>][] =>
      linesOf('told').map(line => {
        const [verb = '', partition = '', ...event] = line.split(' ')
        return [verb, partition, JSON.parse(event.join(' '))]
      })

    it("give Consul's agent what they gave it", async () => {
      const root = cluster().root
      for (const name of ['config', 'ca']) writeFileSync(join(root, name), '{}')
      const line = agentLine.replace('/path/to/config', `${root}/config`).replace('/path/to/CA/file', `${root}/ca`)
      const { stdout, stderr } = await shell(agents()[0], `${line} --dry-run`)
      assert.match(stdout, /agent -server -bootstrap-expect=1 .*-log-level=warn .*-config-file=\S+\/config /, stderr)
    })

    it('run, each partition once, with its own arguments', async () => {
      script(
        'bin/bundle',
        `[ "$1 $2 $3 $4" = 'exec ruby process_kafka_partition.rb --partition' ] || exit 1`,
        `note() { echo "$* $WATCHBILL_INSTANCE $PWD" >>"${cluster().root}/consumers"; }`,
        `trap 'note usr1 "$5"' USR1`,
        `trap 'note term "$5"; exit 0' TERM`,
        'note start "$5"',
        'curl -s -X PUT "$WATCHBILL_CHECK_TTL_CHECK"',
        'while :; do sleep 0.2 & wait $!; done',
      )
      for (const verb of ['pager', 'note'])
        script(
          `lib/${verb}`,
          `[ "$1" = trigger ] || [ "$1" = resolve ] || set -- ${verb} "$1"`,
          `echo "$1 $2 $(cat)" >>"${cluster().root}/told"`,
        )
      script('lib/lag', `exit "$(cat "${cluster().root}/lag.$1" 2>/dev/null || echo 0)"`)
      mkdirSync(join(cluster().root, 'srv'))
      for (const agent of agents()) {
        writeFileSync(join(agent.etc, 'kafka-consumer.json'), placed(block(page, 'json')))
        const done = await shell(agent, configureLine.replace('/etc/consul.d', agent.configDir))
        assert.equal(done.exitCode, 0, done.stderr)
      }
      const status = await until(
        'all to run on both',
        async see => {
          const status = see(await statusOf(agents()[0], 'kafka-consumer'))
          return (
            status.ok && status.instances.every(({ held }) => held === 8) && status.instances.length === 2 && status
          )
        },
        patient,
      )
      assert.match(status.summary, /^kafka-consumer \(Kafka Consumer\): 16 partitions on 2 members; 16 running$/)
      assert.deepEqual(status.instances.map(({ instance }) => instance).sort(), [
        'a1:kafka_consumer_1',
        's1:kafka_consumer_1',
      ])
      const partitions = new Set(linesOf('consumers').map(line => line.split(' ')[1]))
      assert.equal(partitions.size, 16)
      assert.ok(linesOf('consumers').every(line => line.endsWith(`${cluster().root}/srv`)))
    })

    it('are asked by a signal whether they are alive', async () => {
      await until(
        'SIGUSR1 everywhere',
        () => {
          return (
            new Set(linesOf('consumers').flatMap(line => (line.startsWith('usr1 ') ? [line.split(' ')[1]] : [])))
              .size === 16
          )
        },
        patient,
      )
    })

    it('have onWarning, onFailure and onPass run, each once per change', async () => {
      // On a busy machine a consumer may be late to say that it is alive: that is told of as well.
      const ofLag = () => told().filter(([, , { Name }]) => Name === 'lag')
      const lag = (code: number) => writeFileSync(join(cluster().root, 'lag.3'), String(code))
      const seen = (count: number) =>
        until(`${count} to be told`, see => see(ofLag()).length >= count && ofLag(), patient)
      lag(1)
      await seen(1)
      lag(2)
      await seen(2)
      lag(0)
      const all = await seen(3)
      assert.deepEqual(
        all.map(([verb, partition, { Event, Partition, Name, Status, Title }]) => [
          verb,
          partition,
          Event,
          Partition,
          Name,
          Status,
          Title,
        ]),
        [
          ['note', '3', 'onWarning', '3', 'lag', 'warning', 'Kafka Consumer'],
          ['trigger', '3', 'onFailure', '3', 'lag', 'critical', 'Kafka Consumer'],
          ['resolve', '3', 'onPass', '3', 'lag', 'passing', 'Kafka Consumer'],
        ],
      )
    })

    it('are stopped by SIGTERM', async () => {
      const { exitCode, stderr } = await shell(agents()[0], 'watchbill hold kafka-consumer 3')
      assert.equal(exitCode, 0, stderr)
      await until('SIGTERM', () => linesOf('consumers').some(line => line.startsWith('term 3 ')), patient)
    })
  })

  describe("consul-locker's commands", { concurrency: 1 }, () => {
    const [first = '', second = '', third = ''] = blocks(page, 'sh', '## consul-locker')

    it('keep everybody else out, or waiting, and pass the status on', async () => {
      const root = cluster().root
      script(
        '10-second-wait',
        `echo begin >>"${root}/waits"`,
        `while [ ! -e "${root}/enough" ]; do sleep 0.1; done`,
        `echo end >>"${root}/waits"`,
      )
      const running = shell(agents()[0], first)
      await until('the first to run', () => linesOf('waits').length === 1, patient)
      const { stdout, stderr } = await shell(agents()[1], second)
      assert.equal(stdout, 'exit status 1')
      assert.match(stderr, /^lock: test is held by \S+ since /)
      const waiting = shell(agents()[1], first)
      writeFileSync(join(root, 'enough'), '')
      assert.equal((await running).exitCode, 0)
      assert.equal((await waiting).exitCode, 0)
      assert.deepEqual(linesOf('waits'), ['begin', 'end', 'begin', 'end'])
    })

    it('begin a replica set once, and show every request', async () => {
      const root = cluster().root
      // Whoever comes first begins it: that two do is what the lock is there to prevent.
      script(
        'mongodb-replicaset',
        `[ -e "${root}/primary" ] && echo "$1 joins" && exit`,
        'sleep 0.5',
        `echo "$1 begins" | tee "${root}/primary"`,
      )
      const all = await Promise.all(agents().map(agent => shell(agent, third)))
      assert.deepEqual(
        all.map(({ exitCode }) => exitCode),
        [0, 0],
      )
      assert.deepEqual(all.map(({ stdout }) => stdout).sort(), ['bootstrap begins', 'bootstrap joins'])
      for (const { stderr } of all) assert.match(stderr, /^debug: PUT \/v1\/txn/m)
    })
  })

  describe("distributed-resource-manager's websockets", { concurrency: 1 }, () => {
    const definition = JSON.parse(block(page, 'json', '## distributed-resource-manager')) as DefinitionFile
    const [worker = '', plugin = ''] = blocks(page, 'js', '## distributed-resource-manager')

    /** The example's own servers: the resources, and the sockets that are open for each. */
    async function servers(t: TestContext) {
      const open = new Map<string, number>()
      let most = 0
      const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
      await new Promise(resolve => sockets.on('listening', resolve))
      sockets.on('connection', (socket, { url = '' }) => {
        open.set(url, (open.get(url) ?? 0) + 1)
        most = Math.max(most, ...open.values())
        socket.on('close', () => open.set(url, (open.get(url) ?? 0) - 1))
      })
      const ws = `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`
      const data = ['1', '2', '3', '4', '5', '6'].map(id => ({ id, ws: `${ws}/${id}` }))
      const api = createServer((_, answer) => void answer.end(JSON.stringify({ data })))
      await new Promise<void>(resolve => api.listen(0, '127.0.0.1', resolve))
      t.after(() => {
        for (const socket of sockets.clients) socket.terminate()
        sockets.close()
        api.close()
      })
      const opened = () =>
        [...open]
          .flatMap(([url, count]) => (count > 0 ? [url.slice(1)] : []))
          .sort()
          .join('')
      const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/resources`
      return { ws, url, opened, most: () => most }
    }

    async function built(name: string, text: string): Promise<string> {
      const [source, outfile] = [join(cluster().root, `${name}-source.mjs`), join(cluster().root, `${name}.mjs`)]
      writeFileSync(source, text)
      const alias = {
        'watchbill/worker': resolve(checkout, 'lib/client/worker/resources.ts'),
        'watchbill/client': resolve(checkout, 'lib/client/client/client.ts'),
      }
      await build({ entryPoints: [source], outfile, alias, bundle: true, format: 'esm', platform: 'node' })
      return outfile
    }

    it('are open once each, move to a node that joins, and come and go', async t => {
      const { ws, url, opened, most } = await servers(t)
      const command = ['node', await built('worker', worker)]
      const partitions = { http: { url }, every: '1s' }
      const links = {
        cluster: cluster(),
        definition: { ...definition, partitions, run: { per: 'instance', command } },
        beats: async () => [],
      }
      const [s1, a1] = agents()
      await enter(links, [s1])
      await until('all to be open', see => see(opened()) === '123456', patient)
      await enter(links, [a1])
      const status = await settled(links, [s1, a1])
      assert.deepEqual(
        status.instances.map(({ held }) => held),
        [3, 3],
      )
      await until('all to be open, from both', see => see(opened()) === '123456', patient)

      const env = { ...process.env, CONSUL_HTTP_ADDR: a1.http }
      const file = await built('plugin', plugin)
      await execa(process.execPath, [file, `${ws}/7`], { env })
      await until('the seventh to be open', see => see(opened()) === '1234567', patient)
      await execa(process.execPath, [file, `${ws}/7`, 'gone'], { env })
      await until('the seventh to be closed', see => see(opened()) === '123456', patient)
      assert.equal(processes(s1, links.definition).size, 3)
      assert.equal(most(), 1, 'a link was open twice')
    })
  })
})
