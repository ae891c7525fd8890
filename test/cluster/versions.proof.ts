/**
 * Machines are upgraded one by one, and taken back: an older release, which knows version 1 of the roster alone, beside one
 * whose last version is another one on purpose.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { bootClock } from '../../lib/base/clock.ts'
import { rosterVersion } from '../../lib/keys/member.ts'
import { longestGap, moves, overlaps, owners, stepsBack } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { range, type Stage, stage } from './stage.ts'

/** The last one that compared no versions. */
const older = 'ae0ef4a'
const root = join(import.meta.dirname, '../..')
const partitions = range(12)

/** Half of all on the first by name, whoever has them: nothing of it agrees with version 1, which is balanced and sticky. */
const lopsided = `  [{
    name: 'lopsided',
    place: ({ unplaced }, { members, partitions }) => {
      const names = members.map(({ instance }) => instance).sort()
      const whose = id => names[Number(id) < 6 ? 0 : Number(id) < 9 ? 1 : 2] ?? names[0] ?? ''
      return { placed: new Map(partitions.map(id => [id, whose(id)])), unplaced }
    },
  }],`
const last = /^ {2}\[balance, coolDown\],\n(?=\]$)/m

describe('releases with other versions of the roster', { skip: !hasHistory() && `the history has no ${older}` }, () => {
  const shared = sharedCluster()
  let work: Stage
  let agents: Agent[] // in the order of their instances' names
  let old: string
  let fresh: string

  before(async () => {
    work = stage(shared(), 'work', 'beating', { partitions: { range: [0, 11] } })
    agents = shared().agents.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    old = join(shared().root, 'old')
    fresh = join(shared().root, 'fresh')
    olderRelease(old)
    lopsidedRelease(fresh)
    for (const agent of agents) await use(old, agent)
    await isSaid(1, 1, 1)
    await areBalanced()
  })

  /** What an operator does on a machine for another release: `configure` and one reload. */
  async function use(source: string, agent: Agent): Promise<void> {
    const file = join(agent.etc, 'work.json')
    writeFileSync(file, JSON.stringify(work.definition))
    const home = join(agent.folder, 'home')
    const places = ['--consul-dir', agent.configDir, '--node', agent.name, '--state', agent.state, '--home', home]
    const args = [join(source, 'handlers/configure.ts'), file, ...places, '--http-addr', agent.http]
    await execa(process.execPath, args, { stdin: 'ignore' })
    await agent.reload()
  }

  /** Which version each member key says, in the order of the agents. */
  function isSaid(...versions: number[]): Promise<unknown> {
    return until(
      `the member keys to say ${versions}`,
      async see => {
        const [asked] = agents as [Agent]
        const entries = await asked.api<{ Key: string; Value: string }[]>(
          'GET',
          '/v1/kv/watchbill/work/member/?recurse',
        )
        const values = agents.map(agent => {
          const entry = entries.find(({ Key }) => Key.endsWith(`/${instanceOf(agent, work.definition)}`))
          return entry && JSON.parse(Buffer.from(entry.Value, 'base64').toString()).roster
        })
        return see(values).join() === versions.join()
      },
      { deadline: 60_000 },
    )
  }

  /** Every partition beats, and so many on each agent. */
  function areBalanced() {
    return areOwned(['4', '4', '4'], names => names.map(name => String(name.length)))
  }

  function areLopsided() {
    return areOwned(['0,1,2,3,4,5', '6,7,8', '9,10,11'], lists => lists.map(list => list.join()))
  }

  function areOwned(expected: string[], shown: (lists: string[][]) => string[]) {
    return until(
      `the agents to have ${expected.join(' and ')}`,
      async see => {
        const owned = owners(await work.beats())
        const lists = agents.map(agent => partitions.filter(id => owned.get(id) === instanceOf(agent, work.definition)))
        return see(shown(lists)).join(' ') === expected.join(' ')
      },
      { deadline: 60_000 },
    )
  }

  /** Has every agent's own release look, three times in turn: what does not stand still has moved by then. */
  async function everyoneLooks(): Promise<void> {
    for (const agent of [...agents, ...agents, ...agents]) {
      const file = JSON.parse(readFileSync(join(agent.configDir, 'watchbill-work.json'), 'utf8'))
      const watch = file.watches.find(({ type }: { type: string }) => type === 'service')
      const [program, ...args] = watch.args as string[]
      await execa(program as string, args, { stdin: 'ignore', env: { CONSUL_HTTP_ADDR: agent.http } })
    }
  }

  /** What has moved since, by the beats: each partition once at most. */
  async function movedSince(at: number): Promise<number> {
    await everyoneLooks()
    const moved = moves(await work.beats()).filter(move => move.at >= at)
    const twice = moved.filter(({ partition }, n) => moved.findIndex(other => other.partition === partition) !== n)
    assert.deepEqual(twice, [], 'a partition moved more than once')
    return moved.length
  }

  it('agree on version 1 while one machine after the other is upgraded: nothing moves', async () => {
    const [a1, a2] = agents as [Agent, Agent]
    const begun = bootClock()
    await use(fresh, a1)
    await isSaid(rosterVersion, 1, 1)
    assert.equal(await movedSince(begun), 0)
    await use(fresh, a2)
    await isSaid(rosterVersion, rosterVersion, 1)
    assert.equal(await movedSince(begun), 0)
    await areBalanced()
  })

  it('go over to the new version once the last one is upgraded', async () => {
    const begun = bootClock()
    await use(fresh, agents[2] as Agent)
    await isSaid(rosterVersion, rosterVersion, rosterVersion)
    await areLopsided()
    assert.ok((await movedSince(begun)) > 0)
    await areLopsided()
  })

  it('come back to version 1 as soon as one is taken back, and stay there for the rest', async () => {
    const [a1, a2, s1] = agents as [Agent, Agent, Agent]
    const begun = bootClock()
    await use(old, a2)
    await isSaid(rosterVersion, 1, rosterVersion)
    await areBalanced()
    assert.equal(await movedSince(begun), 2, 'what it takes to be balanced again')
    await use(old, a1)
    await use(old, s1)
    await isSaid(1, 1, 1)
    assert.equal(await movedSince(begun), 2)
    await areBalanced()
  })

  it('never had two owners of a partition, nor any without one for longer than a hand-over takes', async (t: TestContext) => {
    const beats = await work.beats()
    assert.deepEqual([...overlaps(beats), ...stepsBack(beats)], [])
    const begun = Math.max(...partitions.map(id => beats.find(({ partition }) => partition === id)?.at ?? Infinity))
    const end = beats.at(-1)?.at as number
    const longest = Math.max(...partitions.map(id => longestGap(beats, id, { from: begun, to: end })))
    t.diagnostic(`the longest time without an owner: ${longest} s, of ${(end - begun) / 1000} s`)
    assert.ok(longest < 8, `${longest} s: a takeover wait is 14 s, a hand-over below 1 s on an idle machine`)
  })
})

/** A clone may have no history, and what was packed has none at all. */
function hasHistory(): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${older}^{commit}`], { cwd: root, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function olderRelease(directory: string): void {
  mkdirSync(directory)
  const archive = execFileSync('git', ['archive', older, 'lib', 'handlers', 'package.json'], {
    cwd: root,
    maxBuffer: 1 << 26,
  })
  execFileSync('tar', ['-x', '-C', directory], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
}

/** What is here, with the last version of the roster replaced. */
function lopsidedRelease(directory: string): void {
  for (const part of ['lib', 'handlers', 'package.json', 'LICENSE'])
    cpSync(join(root, part), join(directory, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  const file = join(directory, 'lib/roster/versions.ts')
  const text = readFileSync(file, 'utf8')
  assert.match(text, last)
  writeFileSync(file, text.replace(last, `${lopsided}\n`))
}
