import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { forPlacement } from '../../lib/act/placement.ts'
import { extractTraits } from '../../lib/act/read-traits.ts'
import { noRules } from '../../lib/definition/rules.ts'
import { noPlacement, placementValue } from '../../lib/keys/placement.ts'
import { changeSettings, withDrain } from '../../lib/keys/settings.ts'
import { markOf, readTraits, traitsBy } from '../../lib/keys/traits.ts'
import { placementWords } from '../../lib/operate/status/placement-words.ts'
import { clusterOf, definition, me, memberOne, other, snapshotOf, third } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'

const { keys } = snapshotOf()
const pointers = ['/cost', '/size']
const document = (of: object) => JSON.stringify({ from: 'hand', document: of })

async function stage(t: TestContext) {
  const fake = await fakeConsul(t)
  return { ...fake, fake, run: contextOf(fake.consul, stateOf(t)) }
}

describe('what placement needs of documents', () => {
  async function withDocuments(t: TestContext) {
    const { consul, memory, requests, fake } = await stage(t)
    memory.put(keys.partition('0'), document({ size: 'large', cost: 2.5, other: 'x' }))
    memory.put(keys.partition('1'), document({ size: ['no'], cost: { no: 1 } }))
    memory.put(keys.partition('2'), '{"from":"hand"}')
    const cluster = (revision: number, ids = ['0', '1', '2']) => ({
      ...{ keys, partitions: new Set(ids), unusable: new Set<string>(), revision, documentsIndex: 7 },
    })
    const traits = async () => Object.fromEntries(traitsBy(await readTraits(consul, keys), pointers))
    return { consul, memory, requests, fake, cluster, traits }
  }

  it('is read once, and kept in keys of its own', async t => {
    const { consul, cluster, traits } = await withDocuments(t)
    await extractTraits(consul, cluster(1), pointers)
    assert.deepEqual(await traits(), { 0: { '/cost': 2.5, '/size': 'large' }, 1: {}, 2: {} })
    assert.equal((await readTraits(consul, keys)).mark, markOf(cluster(1), pointers))
  })

  it('has all look at once, however many they are: a partition may have waited for it', async t => {
    const { consul, memory, cluster } = await withDocuments(t)
    await extractTraits(consul, cluster(1), pointers)
    assert.equal((memory.value(keys.look) as { read: number }).read, 3)
  })

  it('is read again only of documents that have changed, and goes with its partition', async t => {
    const { consul, memory, requests, cluster, traits } = await withDocuments(t)
    await extractTraits(consul, cluster(1), pointers)
    memory.put(keys.partition('1'), document({ size: 'small' }))
    memory.remove(keys.partition('2'))
    requests.length = 0
    await extractTraits(consul, cluster(2, ['0', '1']), pointers)
    assert.deepEqual(await traits(), { 0: { '/cost': 2.5, '/size': 'large' }, 1: { '/size': 'small' } })
    const read = requests.filter(({ body }) => body.includes('"get"') && body.includes('partition/0'))
    assert.deepEqual(read, [], 'that of 0 has not changed')
  })

  it('is not marked as read when somebody else read it meanwhile', async t => {
    const { consul, memory, cluster, fake } = await withDocuments(t)
    await extractTraits(consul, cluster(1), pointers)
    memory.put(keys.partition('0'), document({ size: 'small' }))
    fake.script = ({ body }) => {
      if (body.includes('"cas"') && body.includes('trait/0')) memory.put(keys.trait('0'), '{}')
      return undefined
    }
    await extractTraits(consul, cluster(2), pointers)
    assert.equal((await readTraits(consul, keys)).mark, markOf(cluster(1), pointers))
  })

  it('is read of partitions, too, whose keys newer agents refuse', async t => {
    const { consul, memory, cluster, traits } = await withDocuments(t)
    memory.put(keys.partition('a b'), document({ cost: 7 }))
    await extractTraits(consul, cluster(1, ['0', 'a b']), pointers)
    assert.deepEqual(await traits(), { 0: { '/cost': 2.5, '/size': 'large' }, 'a b': { '/cost': 7 } })
  })

  it('takes the place of a garbled key', async t => {
    const { consul, memory, cluster, traits } = await withDocuments(t)
    memory.put(keys.trait('0'), '{')
    await extractTraits(consul, cluster(1, ['0']), pointers)
    assert.deepEqual(await traits(), { 0: { '/cost': 2.5, '/size': 'large' } })
    assert.equal((await readTraits(consul, keys)).mark, markOf(cluster(1), pointers))
  })

  it('counts as nothing where the key is garbled', async t => {
    const { memory, traits } = await withDocuments(t)
    for (const value of ['{', '{"of":"/cost /size","document":1,"trait":{"/cost":{}}}', '[]', 'null'])
      memory.put(keys.trait('0'), value)
    assert.deepEqual(await traits(), {})
  })
})

describe('for the rules of its service an instance', () => {
  const rules = { ...noRules, only: [{ attribute: 'node', in: ['a'] }] }

  it('puts those of its definition in force, and not those that were replaced', async t => {
    const { memory, run } = await stage(t)
    const propose = (digest: string) =>
      forPlacement(run, snapshotOf({ definition: { ...definition, placement: { digest, rules } } }), [
        { do: 'propose', digest },
      ])
    await propose('first')
    await propose('second')
    await propose('first')
    const found = memory.value(keys.placement) as { digest: string; replaced: string[]; by: string }
    assert.deepEqual([found.digest, found.replaced, found.by], ['second', ['first'], me])
  })

  it('drains who does not know them, and leaves other drains alone', async t => {
    const { memory, run } = await stage(t)
    memory.put(keys.settings, JSON.stringify({ drained: ['z:svc'], held: ['1'] }))
    await forPlacement(run, snapshotOf(), [{ do: 'drainOlder', instances: [other] }])
    const { drained, held } = memory.value(keys.settings) as { drained: string[]; held: string[] }
    assert.deepEqual([drained, held], [[other, 'z:svc'], ['1']])
  })

  it('ends such a drain, and none that people asked for, before or since', async t => {
    const { memory, run } = await stage(t)
    const settings = () => memory.value(keys.settings) as { drained: string[]; older?: string[] }
    memory.put(keys.settings, JSON.stringify({ drained: ['z:svc'] }))
    await forPlacement(run, snapshotOf(), [{ do: 'drainOlder', instances: [other, third, 'z:svc'] }])
    assert.deepEqual(settings().older, [other, third])
    await changeSettings(run.consul, keys, before => withDrain(before, third))
    await forPlacement(run, snapshotOf(), [{ do: 'undrainOlder', instances: [other, third, 'z:svc'] }])
    assert.deepEqual([settings().drained, settings().older], [[third, 'z:svc'], undefined])
  })
})

describe('status says', () => {
  const placement = { ...noPlacement, digest: 'new', replaced: ['old'], pins: new Map([['0', me]]) }
  const rows: [what: string, over: Parameters<typeof clusterOf>[0], words: RegExp[]][] = [
    ['nothing where all is well', { placement, members: [memberOne(me, { placement: 'new' })] }, []],
    ['nothing where there are no rules', { members: [memberOne(me, { roster: 2 })] }, []],
    [
      'which definitions have rules that were replaced',
      { placement, members: [memberOne(me, { placement: 'old' })] },
      [/^the placement in the definition of a:svc was replaced and is not in force: .*watchbill placement svc apply/],
    ],
    [
      'who is of an older release',
      { placement, members: [memberOne(other, { roster: 2 })] },
      [/^b:svc of an older release .* watchbill drain svc b:svc off$/],
    ],
    [
      'that the key is garbled',
      { placement, placementProblem: 'it is not JSON' },
      [
        /^watchbill\/svc\/spec\/placement cannot be used: it is not JSON; nothing moves that may stay, and each instance .* last good rules/,
      ],
    ],
  ]
  for (const [what, over, words] of rows) {
    it(what, () => {
      const found = placementWords(clusterOf(over))
      assert.equal(found.length, words.length)
      for (const [at, one] of words.entries()) assert.match(found[at] ?? '', one)
    })
  }

  it('the same rules that it was given', () => {
    assert.deepEqual(JSON.parse(placementValue(placement)).pins, { 0: me })
  })
})
