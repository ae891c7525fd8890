import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { termsIn } from '../../lib/act/claim.ts'
import { digest, sharedDigest } from '../../lib/definition/digest.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { statusOf } from '../../lib/operate/status/status.ts'
import { smallest } from '../definition/samples.ts'
import { clusterOf, definition, heldBy, locks, me, memberOne, other } from '../fixtures/cluster.ts'

const load = (more: object) => parseDefinition(JSON.stringify({ ...smallest, ...more }), 'consumer.json')
const refusal = (more: object) =>
  load(more).then(
    () => assert.fail('it was not refused'),
    (error: Error) => error.message,
  )

describe('whenIsolated', () => {
  it('is "stop" when it is left out, and then no definition has another digest', async () => {
    assert.deepEqual(await load({ whenIsolated: 'stop' }), await load({}))
    assert.ok(!('whenIsolated' in (await load({}))))
  })

  it('is what all machines of a service are to have in common', async () => {
    const [stop, keep] = [await load({}), await load({ whenIsolated: 'keep' })]
    assert.equal(keep.whenIsolated, 'keep')
    assert.notEqual(digest(stop), digest(keep))
    assert.notEqual(sharedDigest(stop), sharedDigest(keep))
  })

  it('is refused when it is anything else', async () => {
    assert.match(await refusal({ whenIsolated: 'go on' }), /whenIsolated: cannot be .*; give "stop", "keep", or/)
    assert.match(await refusal({ whenIsolated: true }), /whenIsolated: cannot be .*; give "stop", "keep", or/)
  })

  it('is no "keep" for one process that has all partitions', async () => {
    const run = { per: 'instance', command: ['./consume'] }
    assert.match(await refusal({ run, whenIsolated: 'keep' }), /whenIsolated: cannot be "keep" with run.per "instance"/)
  })
})

describe('a stand-in', () => {
  const run = ['./local-cache', '--node', '{node}']

  it('is one command, within bounds', async () => {
    assert.deepEqual((await load({ whenIsolated: { run } })).whenIsolated, { run })
    const bounded = { run, atLeast: 1, atMost: 1 }
    assert.deepEqual((await load({ whenIsolated: bounded })).whenIsolated, bounded)
  })

  it('is refused with what it cannot have', async () => {
    const of = (more: object) => refusal({ whenIsolated: { run, ...more } })
    assert.match(await of({ run: [] }), /whenIsolated/)
    assert.match(await of({ run: './local-cache' }), /whenIsolated/)
    assert.match(await of({ run: undefined }), /whenIsolated/)
    assert.match(await of({ atLeast: -1 }), /whenIsolated/)
    assert.match(await of({ atMost: 1.5 }), /whenIsolated/)
    assert.match(await of({ atLeast: 3, atMost: 2 }), /whenIsolated.atLeast: is above atMost/)
    assert.match(await of({ env: {} }), /whenIsolated/)
    for (const word of ['{partition}', '{token}', '{version}'])
      assert.match(
        await of({ run: ['./x', `--of=${word}`] }),
        /whenIsolated.run: has .*, but a stand-in has no partition/,
      )
    assert.match(await of({ run: ['sh', '-c', 'echo {node}'] }), /whenIsolated.run\[2\]: has \{node\} in the code/)
  })

  it('may be one of a process that has all partitions', async () => {
    const whole = { run: { per: 'instance', command: ['./consume'] }, whenIsolated: { run } }
    assert.deepEqual((await load(whole)).whenIsolated, { run })
  })

  it('stands in the lock without its command', () => {
    const whole = { ...definition, whenIsolated: { run, atLeast: 1 } }
    assert.deepEqual(termsIn(whole), { lease: 10_000, grace: 3000, whenIsolated: 'run' })
    assert.deepEqual(termsIn(definition), { lease: 10_000, grace: 3000 })
  })
})

describe('onBoot', () => {
  it('is for what goes on while cut off', async () => {
    assert.equal((await load({ whenIsolated: 'keep', onBoot: 'keep' })).onBoot, 'keep')
    for (const more of [{}, { whenIsolated: 'stop' }, { whenIsolated: { run: ['./x'] } }])
      assert.match(await refusal({ ...more, onBoot: 'keep' }), /onBoot: needs "whenIsolated": "keep"/)
    assert.match(await refusal({ whenIsolated: 'keep', onBoot: 'stop' }), /onBoot: cannot be "stop"/)
  })
})

describe('the status of a service whose processes go on', () => {
  const keeps = locks.held(me, { held: heldBy(me, { whenIsolated: 'keep' }) })
  const remark = (over: object) =>
    statusOf(clusterOf({ members: [memberOne(me)], partitions: new Set(['0']), ...over }), new Map()).remark

  it('says that they may run twice', () => {
    const said = '1 partition may run twice while a machine is cut off, since whenIsolated is "keep"'
    assert.equal(remark({ locks: new Map([['0', keeps]]) }), said)
  })

  it('names the lost instances that may still run theirs', () => {
    const said = remark({ locks: new Map([['0', keeps]]), lost: new Map([[other, 7]]) })
    assert.match(said ?? '', /; what b:svc had may still run there$/)
  })

  it('says nothing where they end with their leases', () => {
    assert.equal(remark({ locks: new Map([['0', locks.held(me)]]), lost: new Map([[other, 7]]) }), null)
  })
})
