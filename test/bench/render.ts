/**
 * Rendering at 5,000 partitions on 50 instances, against a Consul in this process: one file with all of them, and one file for
 * each. A render is timed as a whole: the look, the program `template`, the disk. When nothing has changed, a tick asks two
 * questions and starts nothing; what a render that was started for nothing costs is told beside it.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { markOf } from '../../lib/act/ask-for-render.ts'
import { isRenderDue } from '../../lib/guard/render-due.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { definitionInForce } from '../../lib/state/definition.ts'
import { clusterOf, definition, heldBy, locks, memberOne } from '../fixtures/cluster.ts'
import { keys, stage } from '../render/stage.ts'
import { atMost, exactly, median, type Progress, type Row, told } from './bench.ts'

const partitions = 5000
const instances = 50
const rounds = 5
const name = (number: number) => `n${number % instances}:svc`

export default async (progress: Progress): Promise<Row[]> => {
  const undo: (() => unknown)[] = []
  const t = { after: (step: () => unknown) => undo.push(step) } as unknown as TestContext
  try {
    return [...(await oneFile(t, progress)), ...(await manyFiles(t, progress)), look()]
  } finally {
    for (const step of undo.reverse()) await step()
  }
}

async function large(t: TestContext, files: Parameters<typeof stage>[1]) {
  const at = await stage(t, files)
  const { memory } = at
  for (let number = 0; number < instances; number++) {
    const node = `n${number}`
    memory.session(`session of ${node}`, node, `watchbill ${node}:svc`)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    memory.lock(keys.member(name(number)), `session of ${node}`, memberValue(node, definition, 'digest'))
  }
  for (const node of ['a', 'b']) memory.remove(keys.member(`${node}:svc`))
  const hold = (id: number, to: number) => {
    memory.remove(keys.lock(`${id}`))
    memory.put(keys.lock(`${id}`), '{"clean":true}')
    memory.lock(keys.lock(`${id}`), `session of n${to % instances}`, heldValue(heldBy(name(to))))
  }
  for (let id = 0; id < partitions; id++) {
    memory.put(keys.partition(`${id}`), '{"from":"definition"}')
    hold(id, id)
  }
  return { ...at, move: (id: number, to: number) => hold(id, to) }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

async function times(work: (round: number) => Promise<unknown>): Promise<number> {
  const found: number[] = []
  for (let round = 0; round < rounds; round++) found.push(await timed(() => work(round)))
  return median(found)
}

async function oneFile(t: TestContext, progress: Progress): Promise<Row[]> {
  const template = '{% for p in partitions %}{{ p.id }} {{ p.holder }}\n{% endfor %}'
  const at = await large(t, { files: [{ template: 'DIR/t.liquid', dest: 'DIR/out/all' }], template })
  progress('one file with all partitions')
  const first = await timed(() => at.render())
  // Two change places, so that the roster has nothing to move.
  const changed = await times(round => {
    at.move(0, round + 1)
    at.move(round + 1, 0)
    return at.render()
  })
  await at.render()
  const unchanged = await times(() => at.render())
  const { run, fake } = at
  const render = definitionInForce(run.files)?.definition.render ?? []
  await isRenderDue(fake.consul, run, render)
  fake.requests.length = 0
  let due = 0
  const tick = await times(async () => {
    if (await isRenderDue(fake.consul, run, render)) due++
  })
  return [
    told('one file: the first render', first, 'ms'),
    atMost(3000, 'one file: a render after a change', changed, 'ms'),
    told('one file: its size', readFileSync(`${at.dir}/out/all`).length, 'bytes'),
    told('one file: a render that was started for nothing', unchanged, 'ms'),
    told('a tick that finds nothing changed: its questions', tick, 'ms'),
    exactly(2, 'a tick that finds nothing changed: requests', fake.requests.length / rounds),
    exactly(0, 'a tick that finds nothing changed: renders started', due),
  ]
}

async function manyFiles(t: TestContext, progress: Progress): Promise<Row[]> {
  const file = { template: 'DIR/t.liquid', dest: 'DIR/each/{partition}', each: 'partition', clean: 'DIR/each/*' }
  const at = await large(t, { files: [file], template: '{{ partition.id }} {{ partition.holder }}\n' })
  mkdirSync(`${at.dir}/each`)
  progress('a file for each partition')
  const first = await timed(() => at.render())
  const changed = await times(round => {
    at.move(0, round + 1)
    at.move(round + 1, 0)
    return at.render()
  })
  return [
    told('5,000 files: the first render', first, 'ms'),
    told('5,000 files: a render that changes two of them', changed, 'ms'),
  ]
}

/** What each look of a service with rendered files costs more: the mark. */
function look(): Row {
  const all = Array.from({ length: partitions }, (_, id) => `${id}`)
  const cluster = clusterOf({
    members: Array.from({ length: instances }, (_, number) => memberOne(name(number))),
    partitions: new Set(all),
    locks: new Map(all.map((id, at) => [id, locks.held(name(at))])),
  })
  const placed = new Map(all.map((id, at) => [id, name(at)]))
  const found = Array.from({ length: 20 }, () => {
    const begun = performance.now()
    markOf(cluster, placed)
    return performance.now() - begun
  })
  return told('a look of such a service: the mark', median(found), 'ms')
}
