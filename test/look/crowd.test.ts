/** What is not urgent, where there are many members: they must not all look at once, nor twice for one change. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { type Keys, keysOf } from '../../lib/base/names.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { isQuestionDue, rememberLooked } from '../../lib/look/looked.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { enterState } from '../../lib/state/boot.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { extendLease } from '../../lib/state/lease.ts'
import { definition, digest, me } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'
import { runProgram } from '../handlers/support/programs.ts'
import { killMarked } from '../lab/marked.ts'

const keys = keysOf('svc')
const crowd = 30

function instances(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `n${n}:svc`)
}

describe('a change that Consul tells to an instance', () => {
  const cases: [members: number, key: keyof Keys & ('joined' | 'look' | 'revision'), looks: boolean][] = [
    [crowd, 'joined', false],
    [crowd - 1, 'joined', true],
    [crowd, 'look', true],
    [crowd, 'revision', true],
  ]
  for (const [members, key, looks] of cases) {
    it(`${looks ? 'has it look' : 'can wait'}: spec/${key}, ${members} members`, async t => {
      const { consul, requests } = await fakeConsul(t)
      const files = stateOf(t)
      writeFact(files.members, instances(members).join('\n'))
      const ended = await runProgram('on-keyprefix', {
        stdin: JSON.stringify([{ Key: keys[key], ModifyIndex: 7 }]),
        args: [
          ...['--instance', me, '--service', 'svc', '--definition', definitionIn(t)],
          ...['--state', join(files.directory, '..'), '--http-addr', consul.address.origin],
        ],
      })
      assert.equal(ended.code, 0, ended.stderr)
      assert.equal(requests.length > 0, looks)
    })
  }
})

describe('an instance that only gives partitions away', () => {
  for (const members of [crowd, crowd - 1]) {
    it(`${members < crowd ? 'looks again' : 'leaves it at that'} with ${members} members`, async t => {
      const { fake, run, looks } = await alone(t)
      await reconcile(run)
      const held = () => fake.memory.below(keys.locks).filter(({ Session }) => Session !== undefined).length
      assert.equal(held(), 6)
      for (const [n, instance] of instances(members - 1).entries()) joins(fake, instance, `n${n}`)
      const before = looks()
      await reconcile(run)
      assert.ok(held() < 2, 'it gave back what others are to have')
      assert.equal(looks() - before > 1, members < crowd)
    })
  }
})

it('a thousand instances that looked at the same time do not ask at the same time', t => {
  const files = stateOf(t)
  writeFact(files.members, instances(1000).join('\n'))
  const now = bootClock()
  const due = (after: number, looked: number) => {
    rememberLooked(files, looked)
    return isQuestionDue(files, looked + after, 2000)
  }
  // The boot clocks of their machines differ: here by up to 1 s.
  const looked = Array.from({ length: 20 }, (_, n) => Math.floor(now / 1000) * 1000 + n * 50)
  assert.deepEqual(
    [70_000, 97_000, 124_000].map(after => looked.filter(at => due(after, at)).length),
    [0, 10, 20],
  )
})

function definitionIn(t: TestContext): string {
  const file = join(directory(t), 'svc.json')
  const run = { command: ['sleep', '100'] }
  writeFileSync(file, JSON.stringify({ name: 'svc', partitions: { range: [0, 5] }, run }))
  return file
}

/** An instance that will be alone in its cluster, with six partitions. */
async function alone(t: TestContext) {
  const fake = await fakeConsul(t)
  const files = stateOf(t)
  t.after(() => killMarked(files.directory))
  passing(fake, 'a')
  enterState(files, me, 'svc')
  extendLease(files, bootClock(), bootClock())
  const looks = () => fake.requests.filter(({ path }) => path.startsWith('/v1/health/service/')).length
  return { fake, looks, run: { ...contextOf(fake.consul, files), definitionFile: definitionIn(t) } }
}

function passing({ memory }: FakeConsul, node: string): void {
  memory.nodes.set(node, {
    serfHealth: 'passing',
    services: new Map([['svc', { name: 'svc', status: 'passing' as const }]]),
  })
}

function joins(fake: FakeConsul, instance: string, node: string): void {
  passing(fake, node)
  const session = fake.memory.session(`session of ${instance}`, node, `watchbill ${instance}`)
  fake.memory.lock(keys.member(instance), session, memberValue(node, definition, digest))
}
