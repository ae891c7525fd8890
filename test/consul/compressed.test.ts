/** Answers that come compressed, where that was asked for. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Consul } from '../../lib/consul/http.ts'
import { keysBelow, trees } from '../../lib/consul/kv.ts'

const keys = Array.from({ length: 30_000 }, (_, n) => `p/${n}`)
const entries = keys.map(Key => ({ KV: { Key, Value: 'YQ==', CreateIndex: 1, ModifyIndex: 2, LockIndex: 0 } }))

/** A Consul that compresses like 1.8.7: for whoever takes it. @param spoil what becomes of the bytes */
async function compressing(t: TestContext, spoil = (bytes: Buffer) => bytes) {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    const text = JSON.stringify(request.method === 'PUT' ? { Results: entries, Errors: null } : keys)
    response.setHeader('x-consul-index', '5')
    if (request.headers['accept-encoding'] !== 'gzip') return response.end(text)
    response.setHeader('content-encoding', 'gzip')
    return response.end(spoil(gzipSync(text)))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: `http://127.0.0.1:${port}` }, limit: 3000 })
  t.after(() => {
    consul.close()
    server.close()
  })
  return { consul, encodings: () => asked.map(({ headers }) => headers['accept-encoding']) }
}

describe('a compressed answer', () => {
  it('is only asked for where it is large, and says the same', async t => {
    const { consul, encodings } = await compressing(t)
    assert.deepEqual(await keysBelow(consul, 'p/', true), await keysBelow(consul, 'p/'))
    assert.deepEqual(await trees(consul, ['p/'], true), await trees(consul, ['p/']))
    assert.deepEqual(encodings(), ['gzip', undefined, 'gzip', undefined])
  })

  const spoiled: Record<string, (bytes: Buffer) => Buffer> = {
    'cut off': bytes => bytes.subarray(0, bytes.length >> 1),
    'not what it says': () => Buffer.from('[]'),
    'changed on its way': bytes => bytes.fill(0, bytes.length >> 1, (bytes.length >> 1) + 50),
  }
  for (const [what, spoil] of Object.entries(spoiled)) {
    it(`is refused when it is ${what}`, async t => {
      const { consul } = await compressing(t, spoil)
      await assert.rejects(keysBelow(consul, 'p/', true), { name: 'Temporary' })
      await assert.rejects(trees(consul, ['p/'], true), { name: 'Temporary' })
    })
  }
})
