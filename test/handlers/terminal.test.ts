/** Whatever stands in Consul, and whatever Consul answers: nothing of it acts on the terminal of whoever asks. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { keysOf, lockKeysOf } from '../../lib/base/names.ts'
import { waiterName } from '../../lib/lock/waiting.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { harmless } from '../fixtures/harmless.ts'
import { directory } from '../fixtures/state.ts'
import { type Ended, runProgram } from './support/programs.ts'

/** What acts on a terminal, and what forges a line of its own. */
const evil = '\u001b]0;owned\u0007\u009b2J\r\u202e\nFORGED: all is well\u2028FORGED'
const keys = keysOf('svc')

/** A service in which everything that others can write is hostile. */
async function hostile(t: TestContext): Promise<FakeConsul> {
  const fake = await fakeConsul(t)
  const { memory } = fake
  const member = memory.session('s1', 'a')
  memory.nodes.set(`a${evil}`, {
    serfHealth: 'passing',
    services: new Map([[`x\n${evil}`, { name: 'svc', status: 'passing' }]]),
  })
  memory.put(keys.revision, evil)
  for (const id of ['0', '1', `\u202e\u2066`]) memory.put(keys.partition(id), JSON.stringify({ from: evil }))
  memory.lock(keys.member('a:svc'), member, JSON.stringify({ node: evil, definition: evil }))
  const held = { instance: 'a:svc', acquisition: 'x', lease: 1, grace: 1, since: evil, version: evil }
  for (const id of ['0', '1']) memory.lock(keys.lock(id), member, JSON.stringify(held))
  memory.put(
    keys.report('a:svc'),
    JSON.stringify({ 0: `failing ${evil}`, 1: `crash-looping since ${evil}\nsecond line`, [evil]: evil }),
  )
  memory.put(keys.duty('source'), JSON.stringify({ by: evil, problem: evil, since: evil }))
  const lock = lockKeysOf('deploy')
  memory.put(lock.spec, JSON.stringify({ slots: 1, lease: 10_000, grace: 3000 }))
  memory.lock(lock.slot(0), member, JSON.stringify({ ...held, instance: 'web:1' }))
  memory.session('w', 'a', waiterName({ root: lock.root, by: evil, since: 'now' }))
  return fake
}

const questions: [string, ...string[]][] = [
  ['status', 'svc'],
  ['status', 'svc', '--json'],
  ['status', 'svc', '--check'],
  ['owner', 'svc', '0'],
  ['owner', 'svc', '0', '--json'],
  ['owner', 'svc', 'none'],
  ['owner', 'nowhere', '0'],
  ['partitions', 'svc', 'list'],
  ['evict', 'svc', 'nobody:svc', '--yes'],
  ['lock', '--no-wait', '--verbose', 'deploy', '--', 'true'],
  ['lock', '--list'],
  ['lock', '--list', '--json'],
  ['logs', 'svc', '0'],
]

function ask(t: TestContext, { consul }: FakeConsul, [program, ...args]: readonly string[], env = {}): Promise<Ended> {
  const at = { CONSUL_HTTP_ADDR: consul.address.origin, WATCHBILL_STATE: directory(t) }
  return runProgram(program as string, { args, env: { ...at, ...env } })
}

function assertHarmless({ stdout, stderr }: Ended): void {
  for (const line of [...stdout.split('\n'), ...stderr.split('\n')]) {
    assert.match(line, harmless)
    assert.doesNotMatch(line, /^FORGED/)
  }
}

describe('what stands in Consul does not reach the terminal as it is', { concurrency: 2 }, () => {
  for (const question of questions) {
    it(question.join(' '), async t => {
      const fake = await hostile(t)
      const ended = await ask(t, fake, question)
      assertHarmless(ended)
      assert.doesNotMatch(ended.stderr, /a bug/)
      if (question[1] === '--no-wait') assert.match(ended.stderr, /held by web:1 since \\u001b/)
      if (question[1] === '--list') assert.match(ended.stdout, /waits? .*\\u001b|"waiters":\[\{"by":".*\\u001b/)
      if (question[0] === 'status' && question.length === 2) assert.match(ended.stdout, /\\u001b]0;owned/)
    })
  }

  it('nor does an error page, or what DEBUG shows', async t => {
    const fake = await hostile(t)
    fake.script = () => ({ status: 500, text: evil })
    const ended = await ask(t, fake, ['status', 'svc'], { DEBUG: '1' })
    assert.equal(ended.code, 111)
    assertHarmless(ended)
    assert.match(ended.stderr, /answered 500 \\u001b/)
  })
})
