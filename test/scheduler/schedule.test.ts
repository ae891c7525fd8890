import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { act } from '../../lib/act/act.ts'
import { noteForScheduler } from '../../lib/act/for-scheduler.ts'
import { bootClock } from '../../lib/base/clock.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { waiting } from '../../lib/hooks/queue.ts'
import { planPointerFrom } from '../../lib/keys/own-plan.ts'
import { ask, readAsked } from '../../lib/keys/scheduler-asks.ts'
import { forgetScheduler, schedulerRoot } from '../../lib/keys/scheduler-memory.ts'
import { lookAtCluster } from '../../lib/look/read-cluster.ts'
import { meantFor } from '../../lib/roll/meant.ts'
import { assigned } from '../../lib/roster/assignment.ts'
import { schedule } from '../../lib/scheduler/schedule.ts'
import { readFact, removeFact, writeFact } from '../../lib/state/facts.ts'
import { me, memberOne, other, snapshotOf } from '../fixtures/cluster.ts'
import type { FakeConsul } from '../fixtures/consul.ts'
import { duty, keys, memoryOf, planOf, service, text } from './service.ts'

const all = (instance: string) =>
  `echo '{"assignment":{"0":"${instance}","1":"${instance}","2":"${instance}"},"log":["why"]}'`

describe('a scheduler', () => {
  it('is run by one instance, and what it answers is followed by all', async t => {
    const { fake, a, b } = await service(t, `cat >/dev/null; ${all('b:svc')}`)
    assert.equal(await schedule(a), 'put the plan 1 in force (3 entries)')
    assert.equal(await schedule(b), 'a:svc runs the scheduler')
    const plan = await planOf(fake)
    assert.deepEqual(
      [...(plan?.assignment ?? [])],
      [
        ['0', 'b:svc'],
        ['1', 'b:svc'],
        ['2', 'b:svc'],
      ],
    )
    assert.deepEqual([plan?.by, plan?.log], ['a:svc', ['why']])
    const cluster = await lookAtCluster(fake.consul, 'svc')
    const { placed } = await assigned(cluster)
    assert.deepEqual([...placed].sort(), [
      ['0', 'b:svc'],
      ['1', 'b:svc'],
      ['2', 'b:svc'],
      ['3', 'a:svc'],
    ])
    assert.equal(await schedule(a), 'the plan 1 stays')
  })

  it('gets the state of the service, and what it returned as its state', async t => {
    const echo = `cat >"$0.in"; grep -q 9007199254740993 "$0.in" || exit 1
`
    const { fake, a } = await service(t, `${echo}printf '{"assignment":{},"state":'; cat "$0.in"; echo '}'`)
    fake.memory.put(keys.partition('1'), '{"from":"hand","document":{"big":9007199254740993,"size":4}}')
    fake.memory.lock(
      keys.lock('1'),
      'session of b',
      '{"instance":"b:svc","acquisition":"x","lease":1,"grace":1,"since":"then"}',
    )
    await schedule(a)
    assert.equal(duty(fake).problem, null, 'numbers stay as they were written')
    const { state: input } = memoryOf(fake, 'state')
    assert.deepEqual([input.service, input.self, input.state, input.plan], ['svc', 'a:svc', null, null])
    assert.deepEqual(
      input.members.map(({ name, takesPart }: { name: string; takesPart: boolean }) => [name, takesPart]),
      [
        ['a:svc', true],
        ['b:svc', true],
      ],
    )
    const [, one] = input.partitions
    assert.deepEqual([one.id, one.holder, one.since, one.document.size], ['1', 'b:svc', 'then', 4])
    await schedule(a)
    assert.equal(memoryOf(fake, 'state').state.state.service, 'svc', 'the state of the first run')
  })

  it('that is a module is run in a process of its own', async t => {
    const { fake, a, path, write } = await service(t, '')
    write('')
    const file = `${path}.mjs`
    const { writeFileSync } = await import('node:fs')
    writeFileSync(
      file,
      'export const assign = ({ members }) => (console.log("hello"), { assignment: { 0: members[1].name } })',
    )
    const inForce = JSON.parse(readFact(a.files.definition) ?? '')
    inForce.definition.assign.from = { kind: 'module', path: file }
    writeFact(a.files.definition, JSON.stringify(inForce))
    assert.equal(await schedule(a), 'put the plan 1 in force (1 entries)')
    assert.equal((await planOf(fake))?.assignment.get('0'), 'b:svc')
  })

  it('that is gone leaves its duty to another instance', async t => {
    const { fake, a, b } = await service(t, all('b:svc'))
    await schedule(a)
    fake.memory.destroy('session of a')
    assert.equal(await schedule(b), 'the plan 1 stays')
    assert.equal(duty(fake).by, 'b:svc')
  })

  it('that is no longer in the definition leaves its duty', async t => {
    const { fake, a, b } = await service(t, all('b:svc'))
    await schedule(a)
    const inForce = JSON.parse(readFact(a.files.definition) ?? '')
    delete inForce.definition.assign
    writeFact(a.files.definition, JSON.stringify(inForce))
    assert.match(await schedule(a), /^nothing to do: its definition has no scheduler; another instance may run one$/)
    assert.equal(await schedule(b), 'the plan 1 stays')
    assert.equal(fake.memory.keys.get(keys.duty('scheduler'))?.Session, 'session of b')
  })
})

describe('it runs', () => {
  const dueIn = (run: { files: { schedulerDue: string } }) =>
    Math.round((Number(readFact(run.files.schedulerDue)?.split(' ')[0]) - bootClock()) / 1000)

  it('again after `every`, or when it says so', async t => {
    const { write, a, b } = await service(t, all('b:svc'))
    await schedule(a)
    await schedule(b)
    assert.deepEqual([dueIn(a), dueIn(b)], [30, 30])
    write(`echo '{"assignment":{},"next":"7s"}'`)
    await schedule(a)
    assert.equal(dueIn(a), 7)
  })

  it('for figures only when one has changed, which is looked at every 10 s', async t => {
    const { fake, a } = await service(t, all('b:svc'), { on: ['figures'] })
    assert.match(await schedule(a), /^put the plan 1 in force/)
    assert.equal(dueIn(a), 10)
    assert.equal(await schedule(a), 'nothing has changed')
    fake.memory.put('watchbill/.figures/svc/a%3Asvc', '{}')
    assert.equal(await schedule(a), 'the plan 1 stays')
  })

  it('when members, partitions or settings have changed, if that is what it asks for', async t => {
    const { a, defined } = await service(t, all('b:svc'))
    const noted = (over: Parameters<typeof snapshotOf>[0], on = defined.assign?.on ?? []) => {
      removeFact(a.files.schedulerChanged)
      const assign = { ...(defined.assign as NonNullable<typeof defined.assign>), on }
      noteForScheduler(a, snapshotOf({ instance: 'a:svc', definition: { ...defined, assign }, ...over }))
      return readFact(a.files.schedulerChanged) !== null
    }
    const held = { drained: [], held: ['0'], epoch: 0 }
    assert.equal(noted({}), true, 'the first time')
    assert.equal(noted({}), false, 'nothing new')
    assert.equal(noted({ settings: held }), true)
    assert.equal(noted({ settings: held, partitions: new Set(['0']) }), true)
    assert.equal(noted({ settings: held, partitions: new Set(['0']), members: [memberOne(me)] }), true)
    assert.equal(noted({ members: [memberOne(me)] }, ['figures']), true, 'another list')
    assert.equal(noted({ members: [memberOne(me)], settings: held }, ['figures']), false)
    assert.equal(noted({ members: [memberOne(me), memberOne(other)] }, ['figures']), true, 'its duty may be free')
    writeFact(a.files.schedulerBy, other)
    assert.equal(noted({ members: [memberOne(other)] }), false, 'whoever runs it sees that')
    assert.equal(noted({ members: [memberOne(me)] }), true, 'until that one is gone')
  })
})

describe('of the plans', () => {
  it('the last three are kept', async t => {
    const { fake, write, a } = await service(t, all('a:svc'))
    for (const name of ['a:svc', 'b:svc', 'a:svc', 'b:svc']) {
      write(all(name))
      await schedule(a)
    }
    const revisions = fake.memory.below(keys.plans).map(({ Key }) => Number(Key.slice(keys.plans.length).split('/')[0]))
    assert.deepEqual([...new Set(revisions)].sort(), [2, 3, 4])
  })

  it('none is half in force: the pointer is written last', async t => {
    const { fake, a } = await service(t, all('b:svc'))
    fake.script = ({ operations }) =>
      operations.some(({ Key, Verb }) => Key === keys.plan && Verb === 'cas') ? { cut: true } : undefined
    await assert.rejects(schedule(a))
    assert.equal(await planOf(fake), null)
    fake.script = () => undefined
    assert.equal(await schedule(a), 'put the plan 1 in force (3 entries)')
  })

  it('one whose duty was lost meanwhile is not written', async t => {
    const { fake, a } = await service(t, all('b:svc'))
    fake.script = ({ operations }) => {
      if (operations.some(({ Key }) => Key.startsWith(keys.plans))) fake.memory.destroy('session of a')
      return undefined
    }
    await assert.rejects(schedule(a), /another instance has the duty/)
    assert.equal(await planOf(fake), null)
  })
})

describe('a failure', () => {
  const why = async (t: Parameters<typeof service>[0], script: string, over = {}) => {
    const { fake, a } = await service(t, script, over)
    await schedule(a)
    const [{ why: said } = { why: '' }] = memoryOf(fake, 'last').refused
    return said as string
  }
  const cases: readonly (readonly [string, string, RegExp, object?])[] = [
    ['exits with an error', 'echo "no such tenant" >&2; exit 3', /^exit 3: no such tenant$/],
    ['is killed', 'kill -9 $$', /^exit /],
    ['takes too long', 'sleep 60', /^no end within 0\.3 s$/, { timeoutMs: 300 }],
    ['leaves a child that takes too long', 'sleep 60 & sleep 60', /^no end within 0\.3 s$/, { timeoutMs: 300 }],
    ['prints too much', 'exec cat /dev/zero', /^it prints more than 524288 bytes$/],
    ['talks too much', 'exec cat /dev/zero >&2', /^it prints more than 1048576 bytes beside its answer$/],
    ['prints what is not UTF-8', "printf '\\377'", /^it is not UTF-8$/],
    ['prints garbage', 'echo hello', /^it is not JSON: /],
    ['names an unknown member', all('z:svc'), /^assignment\.0: "z:svc" is no member$/],
    ['does not exist', '', /^exit 12[67]/, { from: { kind: 'command', command: ['/does/not/exist'] } }],
    ['has a user that does not exist', all('a:svc'), /^exit 126/, { user: 'nosuchuser' }],
  ]
  for (const [what, script, line, over] of cases)
    it(`of one that ${what} is said in one line`, async t => assert.match(await why(t, script, over), line))

  it('leaves the last good plan, is told at once, and the hook once', async t => {
    const { fake, write, a } = await service(t, all('b:svc'))
    await schedule(a)
    write('echo hello')
    assert.match(
      await schedule(a),
      /its answer is refused: it is not JSON: .*; the last good plan stays; see watchbill plan svc --show$/,
    )
    await schedule(a)
    assert.match(duty(fake).problem ?? '', /^the scheduler .* on a:svc: its answer is refused: it is not JSON/)
    assert.equal((await planOf(fake))?.assignment.size, 3)
    assert.deepEqual(
      waiting(a.files).map(({ event: { event } }) => event),
      ['schedulerFailed'],
    )
    write(all('b:svc'))
    await schedule(a)
    assert.equal(duty(fake).problem, null)
  })

  it('of so long withdraws the plan; the next good answer is a plan again', async t => {
    const { fake, write, a } = await service(t, all('b:svc'), { giveUpAfterMs: 1 })
    await schedule(a)
    write('exit 1')
    await schedule(a)
    await schedule(a)
    const pointer = planPointerFrom({ value: text(fake, keys.plan), modifyIndex: 1 } as never)
    assert.match(pointer?.withdrawn ?? '', /^no good answer for .*: exit 1$/)
    assert.equal(await planOf(fake), null)
    write(all('b:svc'))
    assert.equal(await schedule(a), 'put the plan 2 in force (3 entries)')
  })
})

describe('an action', () => {
  const actions = { promote: { title: 'Promote', arguments: { partition: 'which' } } }
  it('stands in the input until the scheduler answers it', async t => {
    const { fake, write, a } = await service(t, `echo '{"assignment":{}}'`, { actions })
    await schedule(a)
    assert.deepEqual(duty(fake).actions, actions)
    await ask(fake.consul, keys, 'svc', { id: 'x1', action: 'promote', arguments: { partition: '1' } })
    await schedule(a)
    assert.equal((await readAsked(fake.consul, keys))[0]?.answer, null)
    write(
      `grep -q '"id":"x1","action":"promote","arguments":{"partition":"1"}' && echo '{"assignment":{},"answers":{"x1":"done"}}'`,
    )
    await schedule(a)
    assert.equal((await readAsked(fake.consul, keys))[0]?.answer, 'done')
  })

  it('is refused when a hundred wait', async t => {
    const { fake } = await service(t, '')
    for (let at = 0; at < 100; at++)
      fake.memory.put(keys.ask(`x${at}`), '{"action":"promote","arguments":{},"at":"2026-01-01T00:00:00Z"}')
    const one = { id: 'y', action: 'promote', arguments: {} }
    await assert.rejects(ask(fake.consul, keys, 'svc', one), /100 actions wait already/)
  })
})

describe('a service that is purged', () => {
  it('leaves nothing of its scheduler', async t => {
    const { fake, a } = await service(t, all('b:svc'))
    await schedule(a)
    assert.deepEqual(
      fake.memory.below(schedulerRoot('svc')).map(({ Key }) => Key.split('/').at(-1)),
      ['last', 'seen'],
    )
    await forgetScheduler(fake.consul, 'svc')
    assert.deepEqual(fake.memory.below(schedulerRoot('svc')), [])
    const rest = [keys.plan, keys.planPart(1, 0), keys.ask('x'), keys.asked, keys.duty('scheduler')]
    for (const key of rest) assert.ok(key.startsWith(keys.root), 'purge deletes all below the root')
  })
})

describe('the number of partitions', () => {
  it('is that of the answer, and people win', async t => {
    const { fake, a } = await service(t, `echo '{"assignment":{},"count":6}'`)
    assert.equal(await schedule(a), 'put the plan 1 in force (0 entries); the number of partitions becomes 6: it was 4')
    assert.match(text(fake, keys.number) ?? '', /"by":"hand","number":6,"done":false,.*"scheduler":true/)
    fake.memory.put(keys.number, '{"by":"hand","number":9,"done":true,"had":9}')
    assert.equal(await schedule(a), 'the plan 1 stays')
    assert.match(text(fake, keys.number) ?? '', /"number":9/)
  })
})

describe('the version', () => {
  const says = (version: string) => `echo '{"assignment":{},"version":"${version}"}'`
  const settings = (fake: FakeConsul) => JSON.parse(text(fake, keys.settings) ?? '{}')
  const versioned = async (t: TestContext, version: string, over: Partial<Definition> = {}) => {
    const { fake, write, defined, instance } = await service(t, says(version))
    const [a] = [instance('a', { ...defined, ...over }), instance('b', { ...defined, ...over })]
    return { fake, a, says: (next: string) => write(says(next)) }
  }

  it('is in force from then on, restarts nothing, and keeps what people rolled out for some', async t => {
    const { fake, a } = await versioned(t, '1.5')
    const only = [{ partitions: '3', version: '1.4' }]
    fake.memory.put(keys.settings, JSON.stringify({ drained: [], held: [], epoch: 3, only, later: 'field' }))
    assert.equal(
      await schedule(a),
      'put the plan 1 in force (0 entries); what is started from now on gets the version 1.5',
    )
    assert.deepEqual(settings(fake), { only, later: 'field', drained: [], held: [], epoch: 3, version: '1.5' })
    assert.deepEqual(fake.memory.below(keys.restarts), [])
    const cluster = await lookAtCluster(fake.consul, 'svc')
    const { definition } = JSON.parse(readFact(a.files.definition) ?? '')
    assert.equal(meantFor(cluster, definition, '0', 'a:svc').version, '1.5')
    assert.equal(meantFor(cluster, definition, '3', 'a:svc').version, '1.4')
    assert.equal(await schedule(a), 'the plan 1 stays')
  })

  it('that is in force already changes nothing', async t => {
    const { fake, a } = await versioned(t, '1.0')
    assert.equal(await schedule(a), 'put the plan 1 in force (0 entries)')
    assert.equal(text(fake, keys.settings), null)
  })

  it('that people rolled out wins, until the scheduler says another one', async t => {
    const { fake, a, says } = await versioned(t, '1.5')
    await schedule(a)
    fake.memory.put(keys.settings, JSON.stringify({ ...settings(fake), version: '1.6' }))
    assert.equal(await schedule(a), 'the plan 1 stays')
    fake.memory.put(keys.plan, JSON.stringify({ ...JSON.parse(text(fake, keys.plan) ?? ''), withdrawn: 'why' }))
    assert.match(await schedule(a), /^put the plan 2 in force \(0 entries\)$/, 'nor once a plan was withdrawn')
    assert.equal(settings(fake).version, '1.6')
    says('1.7')
    await schedule(a)
    assert.equal(settings(fake).version, '1.7')
  })

  it('is refused with the whole answer during a roll-out, and where one process has all partitions', async t => {
    for (const [roll, over, why] of [
      [{ id: 'r', to: '2.0' }, {}, 'a roll-out is under way'],
      [undefined, { run: { command: ['./one'], per: 'instance' } }, 'one process has all partitions of a:svc'],
    ] as const) {
      const { fake, a } = await versioned(t, '1.5', over as Partial<Definition>)
      fake.memory.put(keys.settings, JSON.stringify({ drained: [], held: [], epoch: 0, roll }))
      const before = text(fake, keys.settings)
      assert.match(await schedule(a), new RegExp(`its answer is refused: version: it must not change now: ${why}`))
      assert.match(duty(fake).problem ?? '', new RegExp(why))
      assert.deepEqual([text(fake, keys.settings), await planOf(fake)], [before, null])
    }
  })

  for (const [what, change] of [
    [
      'a roll-out begins',
      (fake: FakeConsul) =>
        fake.memory.put(keys.settings, '{"drained":[],"held":[],"epoch":0,"roll":{"id":"r","to":"2.0"}}'),
    ],
    ['people set another one', (fake: FakeConsul) => fake.memory.put(keys.settings, '{"version":"2.0"}')],
    ['its duty is lost', (fake: FakeConsul) => fake.memory.destroy('session of a')],
  ] as const)
    it(`is not written when ${what} meanwhile`, async t => {
      const { fake, a } = await versioned(t, '1.5')
      const isSet = ({ Key, Value = '' }: { Key: string; Value?: string }) =>
        Key === keys.settings && Buffer.from(Value, 'base64').toString().includes('1.5')
      fake.script = ({ operations }) => {
        if (operations.some(one => isSet(one as never))) change(fake)
        return undefined
      }
      await assert.rejects(schedule(a), /cannot give svc the version 1\.5: .* changed meanwhile; it is tried again$/)
      assert.notEqual(settings(fake).version, '1.5')
      assert.equal(await planOf(fake), null)
    })
})

describe('the plan is withdrawn', () => {
  const withdrawn = async (
    t: Parameters<typeof service>[0],
    change: (fake: Awaited<ReturnType<typeof service>>['fake']) => void,
  ) => {
    const { fake, a } = await service(t, all('b:svc'))
    await schedule(a)
    change(fake)
    const { plan } = await import('../../lib/plan/plan.ts')
    const cluster = await lookAtCluster(fake.consul, 'svc')
    const snapshot = snapshotOf({ ...cluster, instance: 'a:svc', session: 'session of a', digest: 'digest' })
    const { steps } = plan(snapshot, (await assigned(cluster)).placed)
    await act(
      a,
      snapshot,
      steps.filter(step => step.do === 'withdrawPlan'),
    )
    return { pointer: JSON.parse(text(fake, keys.plan) ?? '{}'), steps }
  }

  it('once no definition has a scheduler', async t => {
    const { pointer } = await withdrawn(t, fake => {
      for (const node of ['a', 'b']) {
        const key = keys.member(`${node}:svc`)
        const value = { ...JSON.parse(text(fake, key) ?? ''), assigns: undefined }
        fake.memory.lock(key, `session of ${node}`, JSON.stringify(value))
      }
    })
    assert.equal(pointer.withdrawn, 'no definition has a scheduler any more')
  })

  it('when its parts are gone', async t => {
    const { pointer, steps } = await withdrawn(t, fake => fake.memory.remove(keys.planPart(1, 1)))
    assert.equal(pointer.withdrawn, 'its parts are missing')
    assert.deepEqual(
      steps.filter(step => step.do === 'claim'),
      [],
      'nothing is claimed meanwhile',
    )
  })

  it('when somebody wrote into its parts', async t => {
    const { pointer } = await withdrawn(t, fake =>
      fake.memory.put(keys.planPart(1, 1), '{"assignment":{"a:svc":["0"]}}'),
    )
    assert.equal(pointer.withdrawn, 'its parts are garbled')
  })

  it('not while one of them is there', async t => {
    const { pointer } = await withdrawn(t, () => {})
    assert.equal(pointer.withdrawn, undefined)
  })
})
