import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Roll } from '../../lib/keys/roll.ts'
import type { Cluster } from '../../lib/look/cluster.ts'
import { page } from '../../lib/operate/status/page.ts'
import { statusOf } from '../../lib/operate/status/status.ts'
import { clusterOf, heldBy, locks, me, memberOne } from '../fixtures/cluster.ts'
import { inForce } from './records.ts'

const settings = { drained: [], held: [], epoch: 0, version: '1.0', roll: { id: 'r1', to: '2.0' } }
const both = new Map([
  ['0', locks.held(me, { held: heldBy(me, { version: '2.0', roll: 'r1' }) })],
  ['1', locks.held(me, { held: heldBy(me, { version: '1.0' }) })],
])
const of = (roll: Cluster['roll'], over: Partial<Cluster> = {}) =>
  statusOf(
    clusterOf({ members: [memberOne(me)], locks: both, settings, ...(roll !== undefined && { roll }), ...over }),
    new Map(),
  )

describe('a roll-out in status', () => {
  const rows: [state: Partial<Roll>, ok: boolean, line: RegExp][] = [
    [
      { state: 'rolling', reached: 1, of: 2 },
      true,
      /^roll to 2\.0: under way \(1 of 2 partitions\); see watchbill roll svc$/,
    ],
    [{ state: 'waiting' }, true, /waits for --proceed .*; watchbill roll svc --proceed, or --revert$/],
    [{ state: 'paused' }, true, /paused .*; watchbill roll svc --resume, or --revert$/],
    [{ state: 'reverting', why: '0 fails' }, true, /goes back: 0 fails/],
    [
      { state: 'stopped', why: '0 fails' },
      false,
      /STOPPED: 0 fails .*; watchbill roll svc --resume, --skip, or --revert$/,
    ],
    [{ to: null }, true, /^rolling restart: under way/],
    [{ only: 'eu-*' }, true, /^roll to 2\.0 of eu-\*: under way/],
    [{ steps: [{ number: 1 }, { percent: 100 }], step: 1, skipped: ['7'] }, true, /step 2 of 2, 1 skipped/],
  ]
  for (const [state, ok, line] of rows)
    it(`is told while it is ${JSON.stringify(state)}`, () => {
      const status = of(inForce(state))
      assert.equal(status.ok, ok)
      assert.match((ok ? status.remark : status.problem) ?? '', line)
      assert.equal(status.roll?.id, 'r1')
    })

  it('is a problem when nobody can read its record', () => {
    assert.match(of({ garbled: true, index: 1 }).problem ?? '', /watchbill\/svc\/roll, is missing or garbled/)
    assert.equal(of(null).ok, false)
  })

  it('is none once it is over, and neither is one of another id', () => {
    const { roll: _, ...rest } = settings
    const status = of(undefined, { settings: rest })
    assert.deepEqual([status.ok, status.remark, status.roll, status.version], [true, null, null, '1.0'])
  })

  it('stands beside the version of each partition', () => {
    const status = of(inForce())
    assert.deepEqual(status.partitions.map(({ version }) => version), ['2.0', '1.0']) // biome-ignore format: short
    const lines = page(status)
    assert.ok(lines.some(line => /^PARTITION +INSTANCE +VERSION +STATE/.test(line)))
    assert.ok(lines.some(line => /^0 +a:svc +2\.0 +running/.test(line)))
  })

  it('adds no column where there are no versions', () => {
    const status = statusOf(clusterOf({ members: [memberOne(me)], locks: new Map([['0', locks.held(me)], ['1', locks.held(me)]]) }), new Map()) // biome-ignore format: short
    assert.deepEqual([status.partitions[0]?.version, status.version], [null, null])
    assert.ok(page(status).every(line => !line.includes('VERSION')))
  })

  it('says which instance cannot prepare the version in force', () => {
    const failed = { version: '1.0', why: 'exit 1', of: '' }
    const versions = { pattern: '^.*$', prepared: [], failed }
    const { roll: _, ...rest } = settings
    const status = of(undefined, { settings: rest, members: [memberOne(me, { versions })] })
    assert.equal(status.problem, 'a:svc cannot prepare version 1.0: exit 1')
    const unwanted = memberOne(me, { versions: { ...versions, failed: { ...failed, version: '7.0' } } })
    assert.equal(of(undefined, { settings: rest, members: [unwanted] }).problem, null)
  })

  it('is not forgotten by the advice for garbled settings', () => {
    const status = of(undefined, { settings: { drained: [], held: [], epoch: 0 }, settingsProblem: 'garbled' })
    assert.match(status.problem ?? '', /'\{"drained":\[\],"held":\[\],"epoch":0,"version":"(1|2)\.0"\}'/)
  })
})
