/** A definition that lacks partitions in force changes nothing until somebody applies it; see lib/act/proposal.ts. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { act } from '../../lib/act/act.ts'
import { removalNotice } from '../../lib/act/proposal.ts'
import { keysOf } from '../../lib/base/names.ts'
import type { Source } from '../../lib/definition/definition.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { addPartitions, readPartitions } from '../../lib/keys/partition-set.ts'
import { lookAtCluster } from '../../lib/look/read-cluster.ts'
import { apply } from '../../lib/operate/partitions/apply.ts'
import { readStatus } from '../../lib/operate/status/status.ts'
import { partitionsLine, plan } from '../../lib/plan/plan.ts'
import { assign } from '../../lib/roster/assignment.ts'
import { readFact, removeFact } from '../../lib/state/facts.ts'
import type { InstanceFiles } from '../../lib/state/paths.ts'
import { definition, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const keys = keysOf('svc')

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, n) => String(from + n))
}

const twenty = range(0, 19)

/** An instance that looks at its definition and the set, and does nothing else. */
class Instance {
  partitions: readonly string[]
  source: Source | null = null
  readonly name: string
  readonly files: InstanceFiles
  readonly context: ReturnType<typeof contextOf>
  readonly #fake: FakeConsul

  constructor(t: TestContext, fake: FakeConsul, node: string, partitions: readonly string[]) {
    this.name = `${node}:svc`
    this.partitions = partitions
    this.files = stateOf(t, this.name)
    this.context = { ...contextOf(fake.consul, this.files), instance: this.name, node }
    this.#fake = fake
    fake.memory.session(sessionOf(this.name), node, `watchbill ${this.name}`)
    const service = { name: 'svc', status: 'passing' } as const
    fake.memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', service]]) })
    fake.memory.lock(keys.member(this.name), sessionOf(this.name), memberValue(node, definition, this.digest))
  }

  get digest(): string {
    return `digest of ${this.partitions.join()}`
  }

  get logged(): string {
    return this.context.logged.join('\n')
  }

  async snapshot() {
    this.#fake.memory.lock(
      keys.member(this.name),
      sessionOf(this.name),
      memberValue(this.context.node, definition, this.digest),
    )
    const cluster = await lookAtCluster(this.#fake.consul, 'svc')
    return snapshotOf({
      ...cluster,
      instance: this.name,
      session: sessionOf(this.name),
      definition: { ...definition, partitions: this.partitions, source: this.source },
      digest: this.digest,
      definedLast: readFact(this.files.defined),
      proposed: readFact(this.files.proposed),
    })
  }

  /** As many looks as it takes. @returns how often it had to do with its definition */
  async look(): Promise<number> {
    for (let looks = 0; ; looks++) {
      const snapshot = await this.snapshot()
      const steps = plan(snapshot, assign(snapshot).placed).steps.filter(step => step.do === 'define')
      if (steps.length === 0) return looks
      assert.ok(looks < 6, 'it does not come to an end')
      await act(this.context, snapshot, steps)
    }
  }
}

async function service(t: TestContext, partitions: readonly string[] = twenty) {
  const fake = await fakeConsul(t)
  const ids = async () => (await readPartitions(fake.consul, keys)).map(({ id }) => id).sort((a, b) => +a - +b)
  const a = new Instance(t, fake, 'a', partitions)
  await a.look()
  const text = (key: string) => Buffer.from(fake.memory.keys.get(key)?.Value ?? '', 'base64').toString()
  const another = (node: string, partitions: readonly string[]) => new Instance(t, fake, node, partitions)
  const applied = (...named: string[]) => apply(fake.consul, 'svc', named, { limit: 5000, dryRun: false })
  /** Applies it, and lets these look until it is done. */
  const applying = async (instances: readonly Instance[], ...named: string[]) => {
    let done = false
    const said = applied(...named).finally(() => {
      done = true
    })
    said.catch(() => {})
    await until('it to be applied', async () => {
      for (const instance of instances) await instance.look()
      return done
    })
    return said
  }
  return { fake, ids, a, another, text, applied, applying, consul: fake.consul }
}

describe('a definition that removes partitions', () => {
  it('changes nothing, and says so in Consul, once', async t => {
    const { a, ids, text, fake } = await service(t)
    a.partitions = range(0, 3)
    assert.equal(await a.look(), 1)
    assert.deepEqual(await ids(), twenty)
    const { change, since, ...rest } = JSON.parse(text(keys.proposal('a:svc')))
    assert.match(`${change} ${since}`, /^[\da-f]{16} 20\d\d-/)
    assert.deepEqual(rest, { removes: 16, removed: range(4, 19), adds: 0, added: [] })
    assert.match(
      a.logged,
      /its definition removes 16 partitions \(4, 5, .* 13 and 6 more\): nothing is changed until watchbill partitions svc apply$/,
    )
    const before = fake.memory.index
    assert.equal(await a.look(), 0)
    fake.memory.put(keys.revision, '{}')
    assert.equal(await a.look(), 1, 'the set may be another one')
    assert.deepEqual([await ids(), a.context.logged.length], [twenty, 2])
    assert.ok(fake.memory.index <= before + 4)
  })

  it('is in the status that every agent sees, with what to do', async t => {
    const { a, consul } = await service(t)
    a.partitions = range(0, 18)
    await a.look()
    const { ok, problem, pending } = await readStatus(consul, 'svc')
    assert.equal(ok, false)
    assert.equal(
      problem,
      'the definition of a:svc removes 1 partition (19), and nothing is changed: correct the definition, or watchbill partitions svc apply',
    )
    assert.deepEqual([pending[0]?.instances, pending[0]?.removed], [['a:svc'], ['19']])
  })

  it('is carried out as a whole when it is applied, and what was added by hand stays', async t => {
    const { a, ids, text, applying, consul } = await service(t)
    await addPartitions(consul, keys, [{ id: '30' }], 'hand')
    a.partitions = ['0', '1', '40']
    await a.look()
    assert.deepEqual(await ids(), [...twenty, '30'], 'what it adds comes no sooner')
    assert.match(
      await applying([a]),
      /^applied: the definition of a:svc removes 18 partitions \(2, .* and 8 more\) and adds 1 \(40\)$/,
    )
    assert.deepEqual(await ids(), ['0', '1', '30', '40'])
    assert.equal(text(keys.proposal('a:svc')), '')
    assert.equal(await a.look(), 0)
    assert.equal((await readStatus(consul, 'svc')).pending.length, 0)
  })

  it('is refused also where a list takes the place of a range', async t => {
    const { a, ids, applying } = await service(t, range(0, 2))
    a.partitions = ['eu', 'us']
    await a.look()
    assert.deepEqual(await ids(), range(0, 2))
    await applying([a])
    assert.deepEqual((await ids()).sort(), ['eu', 'us'])
  })

  it('is forgotten when it is put back', async t => {
    const { a, ids, text, applied } = await service(t)
    a.partitions = range(0, 3)
    await a.look()
    a.partitions = twenty
    await a.look()
    assert.equal(text(keys.proposal('a:svc')), '')
    assert.equal(await applied(), 'nothing to apply')
    assert.deepEqual(await ids(), twenty)
  })

  it('counts what a source brought, once the source gives way to it', async t => {
    const { a, ids, applying, fake } = await service(t, [])
    a.source = {} as Source
    await a.look()
    await addPartitions(fake.consul, keys, [{ id: '1', document: 1 }, { id: '2' }], 'source')
    fake.memory.put(keys.duty('source'), '{"by":"a:svc"}')
    a.source = null
    a.partitions = ['2', '3']
    await a.look()
    assert.deepEqual(await ids(), ['1', '2'])
    await applying([a])
    assert.deepEqual([await ids(), fake.memory.keys.has(keys.duty('source'))], [['2', '3'], false])
  })

  it('is no change where the partitions went by hand', async t => {
    const { a, ids, text, fake } = await service(t, range(0, 2))
    a.partitions = ['0']
    await a.look()
    for (const id of ['1', '2']) fake.memory.keys.delete(keys.partition(id))
    fake.memory.put(keys.revision, '{}')
    await a.look()
    assert.deepEqual([await ids(), text(keys.proposal('a:svc'))], [['0'], ''])
    a.partitions = ['0', '1']
    await a.look()
    assert.deepEqual(await ids(), ['0', '1'], 'and growing goes on')
  })

  it('is proposed again when its key is lost or garbled, or the state directory', async t => {
    const { a, ids, text, fake, applying } = await service(t)
    a.partitions = range(0, 3)
    await a.look()
    const whole = JSON.parse(text(keys.proposal('a:svc'))).change
    for (const spoil of [
      () => fake.memory.keys.delete(keys.proposal('a:svc')),
      () => fake.memory.put(keys.proposal('a:svc'), '{"change":"'),
      () => [a.files.proposed, a.files.proposal, a.files.defined].map(removeFact),
    ]) {
      spoil()
      await a.look()
      assert.equal(JSON.parse(text(keys.proposal('a:svc'))).change, whole)
      assert.deepEqual(await ids(), twenty)
    }
    await applying([a])
    assert.deepEqual(await ids(), range(0, 3))
  })
})

describe('a definition that only adds', () => {
  it('is put in force at once, also beside one that removes', async t => {
    const { a, ids, another } = await service(t)
    const b = another('b', twenty)
    await b.look()
    a.partitions = range(0, 3)
    await a.look()
    b.partitions = range(0, 21)
    await b.look()
    assert.deepEqual(await ids(), range(0, 21))
  })
})

describe('two machines with different definitions', () => {
  it('wait for the one that is named', async t => {
    const { a, ids, another, applied, applying, consul } = await service(t)
    const b = another('b', twenty)
    await b.look()
    a.partitions = range(0, 3)
    b.partitions = range(0, 9)
    for (const one of [a, b]) await one.look()
    await assert.rejects(applied(), {
      name: 'Permanent',
      message:
        /^cannot apply a definition: several differ: that of a:svc removes 16 .*; that of b:svc removes 10 .*; name an instance: watchbill partitions svc apply a:svc$/,
    })
    await assert.rejects(
      applied('c:svc'),
      /^Permanent: cannot apply the definition of c:svc: it removes nothing; that of a/,
    )
    assert.deepEqual(await ids(), twenty)
    await applying([a, b], 'b:svc')
    assert.deepEqual(await ids(), range(0, 9))
    const { pending } = await readStatus(consul, 'svc')
    assert.deepEqual(
      pending.map(({ instances, removes }) => [instances, removes]),
      [[['a:svc'], 6]],
    )
  })

  it('of which the older one comes last change nothing by it', async t => {
    const { a, ids, another, applied } = await service(t, range(0, 9))
    const b = another('b', range(0, 9))
    await b.look()
    a.partitions = range(0, 29)
    await a.look()
    b.partitions = twenty // from before that: it skipped none
    await b.look()
    assert.deepEqual(await ids(), range(0, 29))
    b.partitions = range(0, 29)
    await b.look()
    assert.equal(await applied(), 'nothing to apply')
  })

  it('that say the same are applied with one word', async t => {
    const { a, ids, another, applying, consul } = await service(t)
    const b = another('b', twenty)
    await b.look()
    for (const one of [a, b]) {
      one.partitions = range(0, 3)
      await one.look()
    }
    const { problem } = await readStatus(consul, 'svc')
    assert.match(String(problem), /^the definition of a:svc, b:svc removes 16 partitions/)
    await applying([b])
    assert.deepEqual(await ids(), range(0, 3))
    await a.look()
    assert.deepEqual([await a.look(), (await readStatus(consul, 'svc')).pending], [0, []])
  })

  it('of which one takes no part any more wait for nobody', async t => {
    const { a, consul, fake, applied } = await service(t)
    a.partitions = range(0, 3)
    await a.look()
    fake.memory.keys.delete(keys.member('a:svc'))
    assert.equal((await readStatus(consul, 'svc')).pending.length, 0)
    assert.equal(await applied(), 'nothing to apply')
  })
})

describe('an instance that comes for the first time', () => {
  it('with an old, smaller definition changes nothing, and says so', async t => {
    const { ids, another, consul } = await service(t)
    const b = another('b', range(0, 3))
    assert.equal(await b.look(), 1)
    assert.deepEqual(await ids(), twenty)
    assert.match(String((await readStatus(consul, 'svc')).problem), /^the definition of b:svc removes 16/)
    b.partitions = twenty
    await b.look()
    assert.deepEqual([await ids(), (await readStatus(consul, 'svc')).problem], [twenty, null])
  })

  it('with an old, larger one changes nothing either', async t => {
    const { ids, another, consul } = await service(t)
    await another('b', range(0, 25)).look()
    assert.deepEqual([await ids(), (await readStatus(consul, 'svc')).problem], [twenty, null])
  })

  it('where the set was lost in part writes its own, and removes nothing', async t => {
    const { ids, another, fake, a } = await service(t)
    fake.memory.keys.delete(keys.revision)
    const b = another('b', ['0', '20'])
    await b.look()
    assert.deepEqual(await ids(), range(0, 20))
    await a.look()
    assert.deepEqual(await ids(), range(0, 20))
  })
})

describe('applying', () => {
  it('is refused when the definition is another one by then', async t => {
    const { a, ids, fake, text, applied } = await service(t)
    a.partitions = range(0, 3)
    await a.look()
    let quicker = true
    fake.script = ({ operations }) => {
      const isOurs = operations.some(({ Verb, Key }) => Verb === 'cas' && Key === keys.proposal('a:svc'))
      if (!quicker || !isOurs) return undefined
      quicker = false
      fake.memory.put(keys.proposal('a:svc'), `${text(keys.proposal('a:svc'))} `)
      return undefined
    }
    await assert.rejects(applied(), /^Temporary: cannot apply it: the definition or the set has changed meanwhile/)
    assert.deepEqual(await ids(), twenty)
  })

  it('removes nothing that nobody saw: a set that has grown since is proposed anew', async t => {
    const { a, ids, another, applying, text } = await service(t)
    const b = another('b', twenty)
    await b.look()
    a.partitions = range(0, 3)
    await a.look()
    const said = applying([], 'a:svc').catch(error => String(error))
    await until('it to be applied', () => text(keys.proposal('a:svc')).includes('"applied"'))
    b.partitions = range(0, 21)
    await b.look()
    await a.look()
    assert.match(String(await said), /has changed meanwhile/)
    assert.deepEqual([await ids(), JSON.parse(text(keys.proposal('a:svc'))).removes], [range(0, 21), 18])
    assert.match(text(keys.proposal('a:svc')), /"since":"[^"]*"\}$/, 'and waits for another word')
  })

  it('goes on where a handler was killed in the middle', async t => {
    const { a, ids, fake, applied } = await service(t, range(0, 199))
    a.partitions = ['0']
    await a.look()
    const said = applied()
    await until('it to be applied', async () => (await a.snapshot()).proposals.get('a:svc')?.applied)
    let sent = 0
    fake.script = ({ operations }) => {
      const removes = operations.some(({ Verb, Key }) => Verb === 'delete-cas' && Key.startsWith(keys.partitions))
      return removes && ++sent === 2 ? { status: 500, text: 'no leader' } : undefined
    }
    await assert.rejects(a.look(), { name: 'Temporary' })
    const left = (await ids()).length
    assert.ok(left > 1 && left < 200, `${left} are left`)
    await a.look()
    assert.deepEqual(await ids(), ['0'])
    assert.match(await said, /^applied/)
  })

  it('comes too late for a removal that Consul kept back: the definition was put back meanwhile', async t => {
    const { a, ids, fake, applied } = await service(t)
    a.partitions = range(0, 3)
    await a.look()
    const said = applied().catch(error => String(error))
    await until('it to be applied', async () => (await a.snapshot()).proposals.get('a:svc')?.applied)
    let quicker = true
    fake.script = async ({ operations }) => {
      if (!quicker || !operations.some(({ Verb, Key }) => Verb === 'delete-cas' && Key.startsWith(keys.partitions)))
        return undefined
      quicker = false
      fake.memory.keys.delete(keys.proposal('a:svc'))
      return undefined
    }
    a.partitions = range(0, 3)
    await assert.rejects(a.look(), { name: 'Temporary' })
    assert.deepEqual(await ids(), twenty)
    a.partitions = twenty
    await a.look()
    assert.match(String(await said), /has changed meanwhile/)
  })

  it('says what it would do, and what waits for whom', async t => {
    const { a, ids, consul } = await service(t)
    a.partitions = range(0, 18)
    await a.look()
    const dry = await apply(consul, 'svc', [], { limit: 0, dryRun: true })
    assert.equal(dry, 'would apply: the definition of a:svc removes 1 partition (19)')
    assert.deepEqual(await ids(), twenty)
    await assert.rejects(apply(consul, 'svc', [], { limit: 0, dryRun: false }), {
      name: 'Temporary',
      message:
        'cannot wait longer: a:svc has not carried it out yet; it does so as soon as it runs, see watchbill status svc',
    })
    await a.look()
    assert.deepEqual(await ids(), range(0, 18))
  })
})

it('what a dry run and configure say', async t => {
  const { a, consul } = await service(t)
  a.partitions = range(0, 17)
  const expected =
    'the definition of svc removes 2 partitions (18, 19): nothing is changed until watchbill partitions svc apply'
  assert.equal(await removalNotice({ consul }, await a.snapshot()), expected)
  a.partitions = range(0, 30)
  assert.equal(await removalNotice({ consul }, await a.snapshot()), null)
  assert.equal(readFact(a.files.defined), partitionsLine(twenty))
})
