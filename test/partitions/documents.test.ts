import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { passOn, placeDocuments } from '../../lib/act/documents.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { waiting } from '../../lib/hooks/queue.ts'
import { addPartitions, changePartitions, readPartitions } from '../../lib/keys/partition-set.ts'
import { processOf } from '../../lib/machine/identity.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import type { Local } from '../../lib/state/local.ts'
import { definition, locals, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const { keys } = snapshotOf()
const document = (n: number) => ({ url: `ws://host/${n}` })

/** An instance that holds 0 to 99, of which each has a document, and runs `one`. */
async function holder(t: TestContext, over: Partial<Definition> = {}, one: Partial<Local> = {}) {
  const fake = await fakeConsul(t)
  const plain = contextOf(fake.consul, stateOf(t))
  /** It dies when it says what it is about to do. */
  const dying = { now: false }
  const log = (line: string) => {
    if (dying.now) throw new Error('killed')
    plain.log(line)
  }
  const context = { ...plain, log }
  const ids = Array.from({ length: 100 }, (_, n) => String(n))
  await addPartitions(
    fake.consul,
    keys,
    ids.map((id, n) => ({ id, document: document(n) })),
    'source',
  )
  for (const id of ids) partitionIn(context.files, id)
  await placeDocuments(
    context,
    keys,
    ids.map(partition => ({ partition })),
  )
  const local = new Map(ids.map(id => [id, locals.running(one)]))
  const look = () => {
    const documents = fake.memory.keys.get(keys.documents)?.ModifyIndex ?? null
    return passOn(context, snapshotOf({ definition: { ...definition, ...over }, local, documentsIndex: documents }))
  }
  const change = async (id: string, document: unknown) => {
    const found = (await readPartitions(fake.consul, keys)).find(partition => partition.id === id)
    await changePartitions(fake.consul, keys, [{ id, index: found?.index ?? 0, document }], 'source')
  }
  return { ...context, fake, dying, look, change, file: (id: string) => context.files.partition(id).document }
}

describe('a document', () => {
  it('is there before the process starts; without one there is no file', async t => {
    const { file, files, consul, change } = await holder(t)
    assert.equal(readFileSync(file('7'), 'utf8'), '{"url":"ws://host/7"}\n')
    await change('7', undefined)
    partitionIn(files, 'gone')
    await placeDocuments({ consul, files }, keys, [{ partition: '7' }, { partition: 'gone' }])
    assert.equal(existsSync(file('7')), false)
  })

  it('that changed is replaced, and asked for alone; what is told once is not told again', async t => {
    const { fake, file, look, change, logged } = await holder(t)
    await look()
    assert.deepEqual(logged, [], 'nothing has changed yet')
    await change('7', document(70))
    fake.requests.length = 0
    assert.equal(await look(), false)
    assert.equal(readFileSync(file('7'), 'utf8'), '{"url":"ws://host/70"}\n')
    const got = fake.requests.flatMap(({ operations }) => operations.filter(({ Verb }) => Verb === 'get'))
    assert.deepEqual(
      got.map(({ Key }) => Key),
      [keys.partition('7')],
    )
    fake.requests.length = 0
    await look()
    assert.deepEqual(fake.requests, [])
    assert.deepEqual(logged, ['the document of 7 changed'])
  })

  it('that changed restarts its process where the definition wants that, and runs the hook', async t => {
    const { files, look, change } = await holder(t, { onChange: 'restart', hooks: { changed: ['./tell'] } })
    const { acquisition, token, document: file } = files.partition('7')
    writeFact(acquisition, 'a1')
    writeFact(token, '9')
    await look()
    await change('7', document(70))
    assert.equal(await look(), true)
    assert.equal(readFact(files.partition('7').restart), 'its document changed')
    assert.deepEqual(
      waiting(files).map(({ event }) => [event.event, event.partition, event.details]),
      [
        ['acquired', '7', { Token: '9' }], // what comes before it; nobody wants to know
        ['changed', '7', { Token: '9', Document: file }],
      ],
    )
  })

  it('that changed is told by a signal where the definition wants that', async t => {
    const child = spawn('sh', ['-c', 'trap "echo told" HUP; echo ready; while :; do sleep 0.05; done'])
    t.after(() => child.kill('SIGKILL'))
    let said = ''
    child.stdout.on('data', data => {
      said += data
    })
    await until('the process to be ready', () => said === 'ready\n')
    const { look, change } = await holder(t, { onChange: 'SIGHUP' }, { process: processOf(child.pid as number) })
    await look()
    assert.equal(said, 'ready\n')
    await change('7', document(70))
    await look()
    await until('the process to be told', () => said === 'ready\ntold\n')
  })

  it('of which a handler was killed before it told anybody is told of by the next one', async t => {
    const { files, look, change, dying } = await holder(t, { onChange: 'restart' })
    await look()
    await change('7', document(70))
    dying.now = true
    await assert.rejects(look())
    dying.now = false
    const { restart } = files.partition('7')
    assert.equal(readFact(restart), null, 'it was killed before')
    assert.equal(await look(), true)
    assert.equal(readFact(restart), 'its document changed')
  })

  it('is in its file as it was written in Consul', async t => {
    const { fake, file, look } = await holder(t)
    await look()
    const text = '{"big":9007199254740993,"huge":1e400,"price":1.0}'
    fake.memory.put(keys.partition('7'), `{"from":"source","document":${text}}`)
    fake.memory.put(keys.documents, '"again"')
    await look()
    assert.equal(readFileSync(file('7'), 'utf8'), `${text}\n`)
  })

  it('of a partition that is out of the set stays as it is until that is stopped', async t => {
    const { fake, file, look, change } = await holder(t, { onChange: 'restart' })
    await look()
    fake.memory.remove(keys.partition('7'))
    await change('8', document(80))
    await look()
    assert.equal(readFileSync(file('7'), 'utf8'), '{"url":"ws://host/7"}\n')
  })
})

it('large documents go in as many transactions as Consul takes', async t => {
  const { consul, memory, requests } = await fakeConsul(t)
  const items = Array.from({ length: 12 }, (_, n) => ({ id: String(n), document: 'x'.repeat(100_000) }))
  await addPartitions(consul, keys, items, 'source')
  const sizes = requests.filter(({ method }) => method === 'PUT').map(({ body }) => body.length)
  assert.ok(Math.max(...sizes) < 512 * 1024, String(sizes))
  assert.equal(memory.below(keys.partitions).length, 12)
})
