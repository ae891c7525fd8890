/**
 * What starting costs: the programs of a release, as Consul starts them, against an empty script on the same Node.
 * Wall and CPU, as the median of each round's quotient.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serviceDigest } from '../../lib/consul/watch.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { settled } from '../cluster/stage.ts'
import { type Agent, startCluster } from '../lab/cluster.ts'
import { guardCommand, install, instanceOf } from '../lab/install.ts'
import { atMost, type Bench, type Command, type Measured, paired, type Row, ratio, told } from './bench.ts'

const rounds = 41
const definition = { name: 'start', partitions: { range: [0, 29] }, run: { command: ['sleep', '100000'] } }

const bench: Bench = async progress => {
  const cluster = await startCluster({ clients: 0 })
  try {
    const agent = cluster.agent('s1')
    await install(agent, definition)
    await settled({ cluster, definition, beats: async () => [] }, [agent])
    progress(`${rounds} rounds`)
    const [empty, ...subjects] = await paired(rounds, await commandsFor(agent))
    if (!empty) throw new Error('nothing was measured')
    const bars = [1.3, 3, 2.8]
    return [
      told('an empty script, wall', empty.wallMedian, 'ms'),
      told('an empty script, CPU', empty.cpuMedian, 'ms'),
      ...subjects.flatMap((subject, at) => rowsOf(subject, empty, bars[at] as number)),
    ]
  } finally {
    await cluster.close()
  }
}

export default bench

function rowsOf({ name, walls, cpus }: Measured, empty: Measured, bar: number): Row[] {
  return [
    atMost(bar, `${name}, wall`, ratio(walls, empty.walls), '×'),
    told(`${name}, CPU`, ratio(cpus, empty.cpus), '×'),
  ]
}

async function commandsFor(agent: Agent): Promise<Command[]> {
  const config = JSON.parse(readFileSync(join(agent.configDir, 'watchbill-start.json'), 'utf8'))
  const guard = guardCommand(agent, definition)
  const onService: string[] = config.watches.find(({ type }: { type: string }) => type === 'service').args
  const unchanged = JSON.stringify(await agent.api('GET', '/v1/health/service/start'))
  const file = (name: string, text: string) => {
    writeFileSync(join(agent.folder, name), text)
    return join(agent.folder, name)
  }
  const known = file('known', `${serviceDigest(unchanged)}\n`)
  const unknown = file('unknown', 'nothing\n')
  const seen = instanceFiles(agent.state, instanceOf(agent, definition)).seen('on-service')
  const idle = (argv: string[]) => having(known, file('idle', ''), argv)
  return [
    { name: 'empty', argv: idle([guard[0] as string, file('empty.cjs', '')]) },
    { name: 'nothing changed for this instance', argv: having(known, seen, onService), input: Buffer.from(unchanged) },
    { name: 'lock, reads, 180 KB of stdin, nothing to do', argv: having(unknown, seen, onService), input: large() },
    { name: 'guard with 30 locks', argv: idle(guard) },
  ]
}

/** Sets what a handler remembers of its stdin, then becomes the command. All are started in the same way. */
function having(text: string, seen: string, argv: readonly string[]): string[] {
  return ['/bin/sh', '-c', 'cp "$1" "$2"; shift 2; exec "$@"', 'sh', text, seen, ...argv]
}

/** A service watch's input of about 180 KB, of agents that are not there. */
function large(): Buffer {
  const sample = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/watch/service.json'), 'utf8'))[0]
  const entries: unknown[] = []
  while (JSON.stringify(entries).length < 180_000) {
    entries.push({ ...sample, Node: { ...sample.Node, Node: `n${entries.length}` } })
  }
  return Buffer.from(JSON.stringify(entries))
}
