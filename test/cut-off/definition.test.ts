import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digest, sharedDigest } from '../../lib/definition/digest.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { statusOf } from '../../lib/operate/status/status.ts'
import { smallest } from '../definition/samples.ts'
import { clusterOf, heldBy, locks, me, memberOne, other } from '../fixtures/cluster.ts'

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
    assert.match(await refusal({ whenIsolated: 'go on' }), /whenIsolated: cannot be "go on"; give "stop"/)
    assert.match(await refusal({ whenIsolated: true }), /whenIsolated: cannot be true; give "stop"/)
  })

  it('is no "keep" for one process that has all partitions', async () => {
    const run = { per: 'instance', command: ['./consume'] }
    assert.match(await refusal({ run, whenIsolated: 'keep' }), /whenIsolated: cannot be "keep" with run.per "instance"/)
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
