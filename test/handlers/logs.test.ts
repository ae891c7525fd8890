import assert from 'node:assert/strict'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { keysOf } from '../../lib/base/names.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { enterState } from '../../lib/state/boot.ts'
import { makeDirectory } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { definition, heldBy } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'

const handler = join(import.meta.dirname, '../../handlers/logs.ts')
const keys = keysOf('work')
const isRoot = process.getuid?.() === 0

/** Partition 7 runs on node2, and this machine is node1. */
async function machine(t: TestContext) {
  const { consul, memory } = await fakeConsul(t)
  memory.session('node2', 'node2', 'watchbill node2:work')
  memory.nodes.set('node2', {
    serfHealth: 'passing',
    services: new Map([['work', { name: 'work', status: 'passing' }]]),
  })
  memory.lock(keys.member('node2:work'), 'node2', memberValue('node2', definition, 'digest'))
  memory.put(keys.revision, '{}')
  memory.put(keys.partition('7'), '{"from":"definition"}')
  memory.lock(keys.lock('7'), 'node2', heldValue(heldBy('node2:work')))
  const root = directory(t)
  const files = instanceFiles(root, 'node1:work')
  const logs = (address = new URL(consul.address.origin).host, how: Record<string, unknown> = {}) =>
    execa(process.execPath, [handler, 'work', '7', '--state', root, '--http-addr', address], { reject: false, ...how })
  const printed = () => {
    enterState(files, 'node1:work', 'work')
    makeDirectory(files.partition('7').directory)
    writeFileSync(files.partition('7').output, 'hello\n')
  }
  return { root, logs, printed }
}

describe('logs of a partition that runs elsewhere', () => {
  it('names the machine, beside what is still here', async t => {
    const { logs, printed } = await machine(t)
    printed()
    const { stdout, stderr, exitCode } = await logs()
    assert.deepEqual(
      [stdout, stderr, exitCode],
      ['hello', '7 does not run here now: it runs on node2:work; run it there; what follows is from before', 0],
    )
    assert.equal((await logs('127.0.0.1:1')).stderr, '7 does not run here now: see watchbill owner work 7')
  })

  it('does not say that it never ran here, where only nothing is left of it', async t => {
    const { logs } = await machine(t)
    const { stderr, exitCode } = await logs()
    const line = 'cannot show the log of 7: it has left no output on this machine; it runs on node2:work; run it there'
    assert.deepEqual([stderr, exitCode], [`logs: permanent: ${line}`, 100])
  })

  it('says whose it is to look, where the user may not', {
    skip: !isRoot && 'it takes root to be another user',
  }, async t => {
    const { root, logs, printed } = await machine(t)
    printed()
    chmodSync(root, 0o755)
    chownSync(root, 65534, 65534)
    const { stderr, exitCode } = await logs(undefined, { uid: 65534, gid: 65534 })
    assert.match(
      stderr,
      /^logs: temporary: cannot read .*node1:work: EACCES.*; run it as root, or as the user that runs the Consul agent$/,
    )
    assert.equal(exitCode, 111)
  })
})
