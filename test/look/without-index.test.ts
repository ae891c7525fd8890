/** A run whose question for the index fails. Nobody may stop looking for that. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { enterState } from '../../lib/state/boot.ts'
import { extendLease } from '../../lib/state/lease.ts'
import { me } from '../fixtures/cluster.ts'
import { fakeConsul, type Request } from '../fixtures/consul.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'

const keys = keysOf('svc')
const isQuestion = ({ path }: Request) => path.startsWith(`/v1/kv/${keys.root}?`)

/** One run of an instance that has nothing to run. @returns whether its look may stand for the next one */
async function rests(t: TestContext, refused: boolean): Promise<boolean> {
  const { consul, memory, fake } = await fakeConsul(t).then(fake => ({ ...fake, fake }))
  const services = new Map([['svc', { name: 'svc', status: 'passing' as const }]])
  memory.nodes.set('a', { serfHealth: 'passing', services })
  fake.script = request => (refused && isQuestion(request) ? { status: 403, text: 'Permission denied' } : undefined)
  const files = stateOf(t)
  enterState(files, me, 'svc')
  extendLease(files, bootClock(), bootClock())
  const definitionFile = join(directory(t), 'svc.json')
  writeFileSync(
    definitionFile,
    JSON.stringify({ name: 'svc', partitions: { byHand: true }, run: { command: ['true'] } }),
  )
  const done = await reconcile({ ...contextOf(consul, files), definitionFile })
  assert.match(String(done), /takes part/)
  assert.ok(memory.keys.has(keys.member(me)))
  return existsSync(files.rest)
}

it('goes on without it, and its look stands for no other', async t => {
  assert.equal(await rests(t, true), false)
})

it('leaves a look that stands for the next one where it is answered', async t => {
  assert.equal(await rests(t, false), true)
})
