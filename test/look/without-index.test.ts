/** A run whose question for the index fails. Nobody may stop looking for that. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { it, type TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { me } from '../fixtures/cluster.ts'
import { fakeConsul, type Request } from '../fixtures/consul.ts'
import { alone } from './alone.ts'

const keys = keysOf('svc')
const isQuestion = ({ path }: Request) => path.startsWith(`/v1/kv/${keys.root}?`)

/** One run of an instance that has nothing to run. @returns whether its look may stand for the next one */
async function rests(t: TestContext, refused: boolean): Promise<boolean> {
  const fake = await fakeConsul(t)
  fake.script = request => (refused && isQuestion(request) ? { status: 403, text: 'Permission denied' } : undefined)
  const run = alone(t, fake, { byHand: true })
  assert.match(String(await reconcile(run)), /takes part/)
  assert.ok(fake.memory.keys.has(keys.member(me)))
  return existsSync(run.files.rest)
}

it('goes on without it, and its look stands for no other', async t => {
  assert.equal(await rests(t, true), false)
})

it('leaves a look that stands for the next one where it is answered', async t => {
  assert.equal(await rests(t, false), true)
})
