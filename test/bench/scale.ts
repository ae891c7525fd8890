/**
 * What one instance costs in a cluster of many: at rest, for a look, for what people run, and when something changes. One
 * real server is filled with members and locks as keys. SIZE=10000x100 npm run bench -- scale: that size alone, or several
 * with commas; what the others came to last is kept, and drawn with it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { atMost, type Bench, type Row, told } from './bench.ts'
import { drawn } from './scale/curves.ts'
import { type Figures, measureOne } from './scale/one.ts'
import { allServer, beyondProof, cpuAtRest, nameOf } from './scale/rest.ts'

const sizes = ['100x3', '1000x10', '10000x100', '100000x1000']
const root = join(import.meta.dirname, '../..')
const kept = join(root, '.cache/scale.json')

const bench: Bench = async progress => {
  const asked = process.env.SIZE?.split(',') ?? sizes
  for (const name of asked) {
    const [partitions = 0, instances = 0] = name.split('x').map(Number)
    const figures = await measureOne({ partitions, instances }, line => progress(`${name}: ${line}`))
    writeFileSync(kept, JSON.stringify({ ...known(), [name]: figures }))
  }
  const all = known()
  const ofAll = sizes.flatMap(name => all[name] ?? [])
  writeFileSync(join(root, 'docs/scale.svg'), drawn(ofAll))
  return asked.flatMap(name => rowsOf(all[name] as Figures, all['100x3']))
}

export default bench

function known(): Record<string, Figures> {
  return existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : {}
}

/** @param smallest what the bar for the CPU is about */
function rowsOf(figures: Figures, smallest: Figures | undefined): Row[] {
  const { costs, changes, rest, size } = figures
  const name = nameOf(size)
  const say = (what: string) => `${name}: ${what}`
  const bar = { '10000x100': 2, '100000x1000': 4 }[name]
  const held = (limit: number | undefined, what: string, value: number, unit: string) =>
    limit === undefined ? told(say(what), value, unit) : atMost(limit, say(what), value, unit)
  const isTenth = name === '10000x100'
  const isLargest = name === '100000x1000'
  const acts = (['look', 'status', 'status --check', 'owner', 'drain', 'restart'] as const).flatMap(act => {
    const { requests, bytes, wall, cpu, server, memory } = costs[act]
    return [
      held(isLargest && act === 'status' ? 4 : undefined, `${act}, wall`, wall, 's'),
      told(say(`${act}, CPU`), cpu, 's'),
      told(say(`${act}, CPU of the server`), server, 's'),
      told(say(`${act}, requests`), requests),
      told(say(`${act}, read`), bytes / 1000, 'KB'),
      held(isLargest && act === 'status' ? 300 : undefined, `${act}, peak memory`, memory, 'MiB'),
    ]
  })
  return [
    told(say('at rest, a minute: requests each second'), rest.requests),
    told(say('at rest, a minute: read each second'), rest.bytes / 1000, 'KB'),
    told(say('at rest, a minute: CPU of what the agent starts'), rest.cpu, 'cores'),
    told(say('proof of its own locks each second'), costs.tick.bytes / 2000, 'KB'),
    held(bar, 'at rest, beyond that, looks included', beyondProof(figures) / 1000, 'KB/s'),
    told(say('at rest, CPU, looks included'), cpuAtRest(figures), 'cores'),
    ...(smallest
      ? [held(isTenth ? 1.1 : undefined, 'the same beside 100x3', cpuAtRest(figures) / cpuAtRest(smallest), '×')]
      : []),
    held(isTenth ? 0.1 : undefined, 'at rest, the server, of all instances', allServer(figures), 'cores'),
    ...acts,
    ...(['joins', 'moves'] as const).flatMap(change => [
      told(say(`${said[change]}: requests until it rests again`), changes[change].requests),
      told(say(`${said[change]}: read until then`), changes[change].bytes / 1000, 'KB'),
      told(say(`${said[change]}: CPU of the server until then`), changes[change].server, 's'),
    ]),
  ]
}

const said = { joins: 'a member joins', moves: 'locks change hands' }
