import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { statusOf } from '../../lib/operate/status/status.ts'
import { assetsHere } from '../../lib/page/assets.ts'
import { part } from '../../lib/page/shell.ts'
import { service } from '../../lib/page/views/service.ts'
import { clusterOf, locks, memberOne, registeredOne } from '../fixtures/cluster.ts'

test('script and style are below 150 KB, and come from nowhere else', async t => {
  const { script, style } = await assetsHere()
  const size = Buffer.byteLength(script) + Buffer.byteLength(style)
  t.diagnostic(`${(size / 1024).toFixed(1)} KiB, ${(gzipSync(script + style).length / 1024).toFixed(1)} KiB compressed`)
  assert.ok(size < 150_000)
  assert.ok(!/https?:\/\/(?!www\.w3\.org)/.test(script + style), 'no address of anybody else')
  assert.ok(!/\beval\(|new Function\(/.test(script))
})

test('10,000 partitions on 100 instances are drawn in less than a second, in less than 2 MB', async t => {
  const instances = Array.from({ length: 100 }, (_, at) => `n${at}:svc`)
  const ids = Array.from({ length: 10_000 }, (_, at) => `partition-${at}`)
  const cluster = clusterOf({
    partitions: new Set(ids),
    members: instances.map(one => memberOne(one)),
    registered: instances.map(one => registeredOne(one)),
    locks: new Map(ids.map((id, at) => [id, locks.held(instances[at % 100] as string)])),
  })
  const status = statusOf(cluster, new Map())
  const begun = performance.now()
  const html = part(service, status, undefined, { service: 'svc' })
  const took = performance.now() - begun
  t.diagnostic(`${Math.round(took)} ms, ${(Buffer.byteLength(html) / 1024).toFixed(0)} KiB`)
  assert.ok(Buffer.byteLength(html) < 2_000_000)
  assert.ok(took < 1000)
})
