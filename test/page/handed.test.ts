/** The protocol of a socket unit, by systemd's own program for it: it listens, and starts the page at the first request. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'
import { freePort } from './free-port.ts'

const handler = join(import.meta.dirname, '../../handlers/page.ts')
const listener = 'systemd-socket-activate'
const skip = spawnSync(listener, ['--version']).status === 0 ? false : `${listener} is not here`

interface Activated {
  readonly out: () => string
  readonly ended: Promise<number | null>
}

async function activated(t: TestContext, port: number, consul: string): Promise<Activated> {
  const page = [process.execPath, handler, '--idle', '1s', '--http-addr', consul, '--state', directory(t)]
  const child: ChildProcess = spawn(listener, ['--listen', `127.0.0.1:${port}`, ...page], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let [out, said] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', chunk => {
    out += chunk
  })
  const ended = new Promise<number | null>(resolve => child.on('close', resolve))
  await new Promise<void>(resolve =>
    child.stderr?.setEncoding('utf8').on('data', chunk => {
      said += chunk
      if (/Listening on/.test(said)) resolve()
    }),
  )
  return { out: () => out, ended }
}

test('a request starts it; it answers that, ends when it is idle, and the next request starts it again', {
  skip,
}, async t => {
  const { consul } = await fakeConsul(t)
  const port = await freePort()
  for (const time of ['the first', 'the second']) {
    const { out, ended } = await activated(t, port, consul.address.origin)
    assert.equal(out(), '', 'nothing runs before somebody comes')
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'text/html', connection: 'close' } })
    assert.equal(answer.status, 200, time)
    assert.match(await answer.text(), /<title>watchbill<\/title>/)
    assert.equal(await ended, 0, time)
    assert.match(out(), new RegExp(`^the page is at http://127.0.0.1:${port}/#secret=`))
  }
})
