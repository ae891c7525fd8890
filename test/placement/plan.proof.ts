/**
 * What `plan` says is what then happens, on real agents: the same moves, and no process is started that need not be. 30 random
 * changes of all kinds. WATCHBILL_SEED=… replays the same changes; WATCHBILL_RUNS=… makes more.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import type { Outlook } from '../../lib/operate/plan/moves.ts'
import type { Status } from '../../lib/operate/status/status.ts'
import { changed, everywhere, neverTwice, type Stage, stage, statusOf } from '../cluster/stage.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { type DefinitionFile, install, program } from '../lab/install.ts'
import { killMarked } from '../lab/marked.ts'
import { until } from '../lab/until.ts'
import { type Any, anyOf, placementOf } from './random-rules.ts'

const changes = Number(process.env.WATCHBILL_RUNS ?? 30)
const seed = Number(process.env.WATCHBILL_SEED ?? Date.now() % 1_000_000)

/** What each machine says of itself. */
const machines: Record<string, { zone: string; cores: number; weight: number; maxPartitions?: number }> = {
  s1: { zone: 'x', cores: 2, weight: 1 },
  a1: { zone: 'x', cores: 4, weight: 2, maxPartitions: 9 },
  a2: { zone: 'y', cores: 8, weight: 1 },
  a3: { zone: 'z', cores: 16, weight: 1.5 },
}

type Kind = 'add' | 'remove' | 'drain' | 'number' | 'percent' | 'definition'

interface Change {
  readonly kind: Kind
  /** As `plan` takes it. */
  readonly asked: readonly string[]
  readonly make: () => Promise<unknown>
}

describe(`plan and what then happens, seed ${seed}`, () => {
  const shared = sharedCluster({ clients: ['a1', 'a2', 'a3'], settings: tunedGossip })
  const any: Any = anyOf(seed)
  let work: Stage
  /** The machines that take part, by name; of the others, how they went. */
  const present = new Set(Object.keys(machines))
  const gone = new Map<string, 'left' | 'killed'>()
  const drained = new Set<string>()
  const pinned = new Set<string>()

  const agent = (name: string) => shared().agent(name)
  const agents = (): Agent[] => [...present].map(agent)
  const watchbill = (name: string, ...args: string[]) => program(name, [...args, '--http-addr', agent('s1').http])
  const file = () => join(shared().root, 'rules.json')

  const definitionOf = (name: string): DefinitionFile => {
    const { zone, cores, ...own } = machines[name] as (typeof machines)[string]
    return { ...work.definition, ...own, meta: { zone, cores } }
  }

  const plan = async (...args: readonly string[]) =>
    JSON.parse(await watchbill('plan', 'work', ...args, '--json')) as Outlook

  /** Waits until everything is where it is to be, with so many members. */
  const quiet = (what: string, is: (status: Status) => boolean = () => true) =>
    until(
      what,
      async see => {
        const status = await statusOf(agent('s1'), 'work')
        const there = status.instances.filter(({ state }) => state === 'member' || state === 'drained')
        see({ summary: status.summary, owned: [...owners(status)].join(' '), problems: status.problems })
        return (
          there.length === present.size &&
          there.every(({ instance, held, assigned }) => present.has(nodeOf(instance)) && held === assigned) &&
          status.partitions.every(({ state }) => state === 'running' || state === 'unassigned') &&
          is(status) &&
          (await plan()).moves.length === 0 && // a percentage that has to settle
          // It may have settled since the first look.
          sorted(owners(await statusOf(agent('s1'), 'work'))).join() === sorted(owners(status)).join() &&
          status
        )
      },
      { deadline: 120_000, every: 200 },
    )

  const takingPart = () => [...present].filter(name => !drained.has(name))

  /** A change that can be made now. */
  function next(): Change {
    const kinds: Kind[] = ['number', 'percent', 'definition', 'definition']
    const leavers = takingPart().filter(name => name !== 's1')
    if (takingPart().length > 2) kinds.push('remove', 'drain')
    if (gone.size > 0) kinds.push('add', 'add')
    const kind = kinds[any(kinds.length)] as Kind
    if (kind === 'add') return adds([...gone.keys()][any(gone.size)] as string)
    if (kind === 'remove') return removes(leavers[any(leavers.length)] as string)
    if (kind === 'drain') return drains(takingPart()[any(takingPart().length)] as string)
    if (kind === 'definition') return applies()
    return kind === 'number'
      ? scales(kind, String(4 + any(12)))
      : scales(kind, ...(shares[any(shares.length)] as [string, string?]))
  }

  const shares: readonly [string, string?][] = [['150%'], ['220%'], ['30%', 'meta.cores'], ['45%', 'meta.cores']]

  function adds(name: string): Change {
    const { zone, cores, weight, maxPartitions } = machines[name] as (typeof machines)[string]
    const most = maxPartitions === undefined ? '' : `,maxPartitions=${maxPartitions}`
    const words = `${name}:meta.zone=${zone},meta.cores=${cores},weight=${weight}${most}`
    const enter = () => (gone.get(name) === 'killed' ? agent(name).start() : install(agent(name), definitionOf(name)))
    const make = async () => {
      await enter()
      gone.delete(name)
      present.add(name)
    }
    return { kind: 'add', asked: ['--add', words], make }
  }

  function removes(name: string): Change {
    const how = any(2) === 0 ? 'left' : 'killed'
    const make = async () => {
      present.delete(name)
      gone.set(name, how)
      if (how === 'left')
        return program('leave', ['work', '--state', agent(name).state, '--http-addr', agent(name).http])
      await agent(name).stop('SIGKILL')
      return killMarked(agent(name).folder)
    }
    return { kind: 'remove', asked: ['--remove', name], make }
  }

  function drains(name: string): Change {
    const make = () => {
      drained.add(name)
      return watchbill('drain', 'work', `${name}:work`)
    }
    return { kind: 'drain', asked: ['--drain', name], make }
  }

  function scales(kind: Kind, to: string, of?: string): Change {
    const percent = kind === 'percent' ? ['--settle', '15s', ...(of === undefined ? [] : ['--of', of])] : []
    return {
      kind,
      asked: ['--scale', of === undefined ? to : `${to} of ${of}`],
      make: () => watchbill('scale', 'work', to, ...percent),
    }
  }

  function applies(): Change {
    writeFileSync(file(), JSON.stringify({ ...work.definition, placement: placementOf(any) }))
    return {
      kind: 'definition',
      asked: ['--definition', file()],
      make: () => watchbill('placement', 'work', 'apply', file()),
    }
  }

  /** What `plan` has no word for: pins come and go, and who is drained takes part again. */
  async function meanwhile(owned: ReadonlyMap<string, string>): Promise<void> {
    const [stale] = pinned
    if (drained.size > 0 && any(2) === 0) {
      for (const name of drained) await watchbill('drain', 'work', `${name}:work`, 'off')
      drained.clear()
    }
    if (stale !== undefined && any(3) === 0) {
      await watchbill('unpin', 'work', stale)
      pinned.delete(stale)
    }
    if (owned.size > 0 && any(3) === 0) {
      const ids = [...owned.keys()]
      const id = ids[any(ids.length)] as string
      const to = takingPart()[any(takingPart().length)]
      // A rule may refuse it.
      const done = await watchbill('pin', 'work', id, `${to}:work`).then(Boolean, () => false)
      if (done) pinned.add(id)
    }
  }

  before(async () => {
    const partitions = { count: 12 }
    work = stage(shared(), 'work', 'quiet', { partitions, lease: '6s', stop: { grace: '1s' } })
    for (const one of agents()) await install(one, definitionOf(one.name))
  })

  it(`are the same for ${changes} changes`, async t => {
    t.diagnostic(`WATCHBILL_SEED=${seed}`)
    let last = new Map<string, string>()
    for (let round = 0; round < changes; round++) {
      await meanwhile(last)
      const was = owners(await quiet('the cluster to be quiet'))
      const ran = everywhere(work, agents())
      const { asked, make, kind } = next()
      const rules = kind === 'definition' ? JSON.stringify(JSON.parse(readFileSync(file(), 'utf8')).placement) : ''
      const words = `seed ${seed}, change ${round + 1}: ${asked.join(' ')} ${rules}`
      const said = await plan(...asked)
      const wanted = new Map(was)
      for (const { partition, to } of said.moves) to === null ? wanted.delete(partition) : wanted.set(partition, to)
      const begun = performance.now()
      await make()
      const ids = new Set([...wanted.keys(), ...said.unplaced.map(({ partition }) => partition)])
      const now = await quiet(`what plan said: ${words}: ${[...sorted(wanted)].join(' ')}`, status => {
        const set = status.partitions.map(({ partition }) => partition)
        return set.length === ids.size && set.every(id => ids.has(id))
      })
      const seconds = ((performance.now() - begun) / 1000).toFixed(1)
      t.diagnostic(`${words}: ${said.moves.length} of ${ids.size} moved, ${seconds} s`)
      last = owners(now)
      assert.deepEqual(sorted(last), sorted(wanted), words)
      const restarted = changed(ran, everywhere(work, agents())).sort()
      const moved = said.moves.map(({ partition }) => partition).sort()
      assert.deepEqual(restarted, moved, `${words}: other processes than those of the moves`)
    }
    assert.deepEqual(sorted(owners(await quiet('the end'))), sorted(last))
    await neverTwice(work)
  })
})

function owners({ partitions }: Status): Map<string, string> {
  return new Map(
    partitions.flatMap(({ partition, instance }) => (instance === null ? [] : [[partition, instance] as const])),
  )
}

function nodeOf(instance: string): string {
  return instance.split(':')[0] as string
}

function sorted(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => Number(a) - Number(b))
}
