import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mustFit } from '../../lib/operate/status/choose.ts'
import { statusOf } from '../../lib/operate/status/status.ts'
import { mustGoTogether, type StatusArgs } from '../../lib/operate/status/together.ts'
import { clusterOf, me, memberOne } from '../fixtures/cluster.ts'

const service = 'svc'
const refused: readonly (readonly [StatusArgs, RegExp])[] = [
  [{ watch: true }, /no service is named/],
  [{ service, watch: true, json: true }, /--json does not go with --watch/],
  [{ service, watch: true, check: true }, /--check does not go with --watch/],
  [{ service, watch: true, wait: '5s' }, /--wait does not go with --watch/],
  [{ service, check: true, state: 'running' }, /--state does not go with --check/],
  [{ service, check: true, instance: 'n1:svc' }, /--instance does not go with --check/],
  [{ service, partition: '7', check: true }, /--check is about a whole service/],
  [{ service, partition: 'tenant-*', check: true }, /--check is about a whole service/],
  [{ service, partition: '7', watch: true }, /--watch does not go with one partition/],
  [{ service, partition: '7', wait: '5s' }, /--wait does not go with one partition/],
  [{ service, partition: '7', state: 'running' }, /--state does not go with one partition/],
]

for (const [args, why] of refused)
  test(`status refuses ${Object.keys(args).join(', ')}: ${why.source}`, () => {
    assert.throws(() => mustGoTogether(args), { name: 'Permanent', message: why })
  })

test('status takes what goes together', () => {
  for (const args of [
    { check: true, json: true },
    { service, partition: '7', json: true, all: true },
    { service, partition: 'tenant-*', state: 'running', instance: 'n1:*', problems: true },
    { service, partition: 'tenant-*', watch: true, state: 'waiting' },
    { service, watch: false, check: true, wait: '5s' },
  ])
    mustGoTogether(args)
})

test('what nothing fits is refused: a typing mistake is not an empty service', () => {
  const status = statusOf(
    clusterOf({ members: [memberOne(me)], partitions: new Set(['tenant-1']), locks: new Map() }),
    new Map(),
  )
  for (const wanted of [{}, { instance: me }, { partition: 'tenant-*' }, { state: 'held' }]) mustFit([status], wanted)
  assert.throws(
    () => mustFit([status], { instance: `${me}x` }),
    new RegExp(`there is none \\(did you mean ${me}\\?\\)`),
  )
  assert.throws(() => mustFit([status], { partition: 'tennat-*' }), /no partition fits/)
})
