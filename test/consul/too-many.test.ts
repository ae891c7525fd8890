import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { it } from 'node:test'
import { Consul } from '../../lib/consul/http.ts'

const busy =
  'HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\n\r\nYour IP is issuing too many concurrent connections'

for (const [what, answer] of [
  ['closes', null],
  ['answers with 429', busy],
] as const) {
  it(`an agent that ${what} a connection which is one too many is named as such`, async t => {
    const server = createServer(socket => (answer === null ? socket.resetAndDestroy() : socket.end(answer)))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const consul = new Consul({ env: { CONSUL_HTTP_ADDR: `127.0.0.1:${port}` } })
    t.after(() => {
      consul.close()
      server.close()
    })
    await assert.rejects(consul.request('GET', '/v1/agent/self'), {
      name: 'Temporary',
      message:
        /; is it up, and are fewer connections open than its limits\.http_max_conns_per_client\? see watchbill doctor$/,
    })
  })
}
