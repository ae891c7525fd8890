/** What people see of a scheduler and ask of it: status, plan --show, --run and --replay, ask. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { stillScheduling } from '../../lib/keys/scheduler.ts'
import { answerAsked, readAsked } from '../../lib/keys/scheduler-asks.ts'
import { argumentsIn, askScheduler, wouldAsk } from '../../lib/operate/ask.ts'
import { outlookLines } from '../../lib/operate/plan/page.ts'
import { planShown, shownLines, shownObject } from '../../lib/operate/plan/shown.ts'
import { replay, replayLines, schedulerOf, triedJson, triedLines, tryNow } from '../../lib/operate/plan/tried.ts'
import { schedulerWords, voidWords } from '../../lib/operate/status/scheduler-words.ts'
import { readStatus } from '../../lib/operate/status/status.ts'
import { schedule } from '../../lib/scheduler/schedule.ts'
import { clusterOf, me, memberOne, other } from '../fixtures/cluster.ts'
import { directory } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'
import { keys, planOf, service } from './service.ts'

const good = `echo '{"assignment":{"0":"b:svc","1":{"instance":null,"reason":"no licence"}},"log":["why so"],"version":"1.2","variables":{"service":{"a":1}}}'`

describe('status', () => {
  it('says who runs the scheduler, and which plan is in force', async t => {
    const { fake, a } = await service(t, good)
    await schedule(a)
    const { scheduler, problems, partitions } = await readStatus(fake.consul, 'svc')
    assert.deepEqual(scheduler, { by: 'a:svc', problem: null, since: null, plan: 1 })
    assert.deepEqual(problems, [])
    assert.match(partitions[1]?.why ?? '', /the scheduler gives it to nobody: no licence/)
  })

  it('says why there is no newer plan, on every agent', async t => {
    const { fake, write, a } = await service(t, good)
    await schedule(a)
    write('echo hello')
    await schedule(a)
    const { problems, ok } = await readStatus(fake.consul, 'svc')
    assert.match(
      problems.join(),
      /its answer is refused: it is not JSON: .*the plan 1 stays in force\); see watchbill plan svc --show$/,
    )
    assert.equal(ok, false)
  })

  const pointer = {
    ...{ revision: 3, parts: 1, digest: '', content: '', by: me, at: '', withdrawn: null, giveUpMs: 1, index: 1 },
  }
  const plan = {
    ...{
      revision: 3,
      assignment: new Map([['0', me]]),
      nobody: new Map<string, string>(),
      version: null,
      by: me,
      at: '',
    },
    ...{ variables: { service: {}, instance: {} }, from: { keys: 1, health: '1' }, log: [] },
  }
  const found = { pointer, plan, problem: null, text: null, index: 1 }

  it('says which older release keeps the plan from counting', () => {
    const members = [memberOne(me), memberOne(other, { roster: 3 })]
    assert.deepEqual(schedulerWords(clusterOf({ members, ownPlan: found, anyAssigning: true }), null), [
      'b:svc of an older release does not follow plans, so the plan 3 does not count, and the ordinary roster decides: upgrade it, or watchbill drain svc b:svc',
    ])
  })

  it('says that the plan was withdrawn, as long as there is a scheduler', () => {
    const withdrawn = { ...found, plan: null, pointer: { ...pointer, withdrawn: 'no good answer for 5 min: exit 1' } }
    assert.deepEqual(schedulerWords(clusterOf({ ownPlan: withdrawn, anyAssigning: true }), null), [
      'the plan 3 was withdrawn (no good answer for 5 min: exit 1), and the ordinary roster decides; see watchbill plan svc --show',
    ])
    assert.deepEqual(schedulerWords(clusterOf({ ownPlan: withdrawn }), null), [])
  })

  it('counts the entries that do not count now', () => {
    const voided = new Map([
      ['1', `${other} does not take part`],
      ['0', `${me} is full`],
    ])
    assert.equal(
      voidWords({ service: 'svc', ownPlan: found }, voided),
      `2 entries of the plan 3 do not count, and the ordinary roster decides there: 0 (${me} is full), 1 (${other} does not take part); see watchbill plan svc --show`,
    )
    assert.equal(voidWords({ service: 'svc', ownPlan: found }, new Map()), null)
  })
})

describe('plan', () => {
  it('--show prints the plan, whence and why, void entries, what was refused, and what waits', async t => {
    const { fake, write, a } = await service(t, good)
    await schedule(a)
    write('echo hello')
    await schedule(a)
    fake.memory.put(keys.ask('x1'), '{"action":"promote","arguments":{"partition":"1"},"at":"2026-01-01T00:00:00Z"}')
    fake.memory.nodes.delete('b')
    const shown = await planShown(fake.consul, 'svc')
    const lines = shownLines(shown)
    assert.match(
      lines[0] ?? '',
      /^svc: plan 1 of \S+ by a:svc, from the indexes \d+ and \d+: 1 assigned, and 1 left to nobody$/,
    )
    const text = lines.join('\n')
    assert.match(text, /^0 +b:svc +- +does not count: b:svc does not take part$/m)
    assert.match(text, /^1 +nobody +- +no licence$/m)
    assert.match(text, /^version: 1\.2$/m)
    assert.match(text, /^variables: \{"service":\{"a":1\},"instance":\{\}\}$/m)
    assert.match(text, /^log: why so$/m)
    assert.match(text, /^refused \S+: it is not JSON/m)
    assert.match(text, /^waits since 2026-01-01T00:00:00Z: promote partition=1 \(x1\)$/m)
    const { plan, void: voided } = shownObject(shown)
    fake.memory.put(keys.settings, '{"version":"1.3"}')
    assert.ok(shownLines(await planShown(fake.consul, 'svc')).includes('version: 1.2; in force is 1.3'))
    assert.deepEqual([plan?.assignment, voided], [{ 0: 'b:svc' }, { 0: 'b:svc does not take part' }])
  })

  const definitionFor = (folder: string, path: string) => {
    const file = join(folder, 'svc.json')
    const definition = {
      name: 'svc',
      partitions: { range: [0, 3] },
      run: { command: ['x'] },
      assign: { command: [path] },
    }
    writeFileSync(file, JSON.stringify(definition))
    return file
  }

  it('--run says what the answer would change, writes nothing, and --replay gives the same', async t => {
    const { fake, path } = await service(t, `cat >/dev/null; ${good}`)
    fake.memory.lock(
      keys.lock('0'),
      'session of a',
      '{"instance":"a:svc","acquisition":"x","lease":1,"grace":1,"since":"s"}',
    )
    const folder = directory(t)
    const scheduler = await schedulerOf('svc', definitionFor(folder, path))
    const saved = join(folder, 'input.json')
    fake.requests.length = 0
    const found = await tryNow(fake.consul, 'svc', scheduler, saved)
    const operations = fake.requests.flatMap(request => request.operations)
    assert.deepEqual(
      operations.filter(({ Verb }) => !/^(get|check)/.test(Verb)),
      [],
      'nothing was written',
    )
    assert.equal(await planOf(fake), null)
    const lines = [...triedLines(found), ...outlookLines(found.outlook)].join('\n')
    assert.match(lines, /^svc: the answer of \S+ is good \(\d+ ms\): it assigns 1, and leaves 1 to nobody$/m)
    assert.match(lines, /^log: why so$/m)
    assert.match(lines, /^0 +a:svc +b:svc +the scheduler says so$/m)
    assert.equal(JSON.parse(readFileSync(saved, 'utf8')).service, 'svc')
    const again = await replay('svc', scheduler, saved)
    assert.deepEqual(JSON.parse(triedJson(again)).assignment, { 0: 'b:svc' })
    assert.match(replayLines(again).join('\n'), /^0 +a:svc +b:svc/m)
    assert.match(replayLines(again).join('\n'), /^1 +- +nobody +no licence$/m)
  })

  it('refuses in one line what would be refused', async t => {
    const { fake, path, write } = await service(t, 'echo hello')
    const folder = directory(t)
    const scheduler = await schedulerOf('svc', definitionFor(folder, path))
    await assert.rejects(tryNow(fake.consul, 'svc', scheduler, undefined), /its answer is refused: it is not JSON: /)
    write('exit 3')
    await assert.rejects(tryNow(fake.consul, 'svc', scheduler, undefined), /cannot follow .*: exit 3; correct it$/)
    writeFileSync(join(folder, 'no.json'), '{"now": 1}')
    await assert.rejects(replay('svc', scheduler, join(folder, 'no.json')), /it is no input of a scheduler: /)
    await assert.rejects(schedulerOf('other', join(folder, 'svc.json')), /it is the definition of svc, not of other/)
  })
})

describe('ask', () => {
  const actions = { promote: { title: 'Promote', arguments: { partition: 'which one' } } }

  it('puts the action before the scheduler, and waits for its answer', async t => {
    const { fake, a } = await service(t, `echo '{"assignment":{}}'`, { actions })
    await schedule(a)
    const asked = askScheduler(fake.consul, 'svc', { action: 'promote', given: { partition: '1' }, limit: 10_000 })
    const [one] = await until('it to wait', async () => {
      const all = await readAsked(fake.consul, keys)
      return all.length > 0 && all
    })
    assert.deepEqual([one?.action, one?.arguments], ['promote', { partition: '1' }])
    const answers = new Map([[one?.id ?? '', 'it is the first now']])
    const only = stillScheduling(keys, 'session of a')
    await answerAsked(fake.consul, keys, await readAsked(fake.consul, keys), { answers, only, now: new Date() })
    assert.equal((await asked).answer, 'it is the first now')
    assert.deepEqual(await readAsked(fake.consul, keys), [], 'an answer that was read is gone')
  })

  it('says beforehand whom it would ask, and asks nobody', async t => {
    const { fake, a } = await service(t, `echo '{"assignment":{}}'`, { actions })
    await schedule(a)
    const would = await wouldAsk(fake.consul, 'svc', { action: 'promote', given: { partition: '1' } })
    assert.match(would.join('\n'), /^would ask the scheduler on \S+: promote partition=1 \(Promote\)$/)
    assert.deepEqual(await readAsked(fake.consul, keys), [])
    await assert.rejects(wouldAsk(fake.consul, 'svc', { action: 'demote', given: {} }), /there is no such action/)
  })

  it('is refused for what the definition does not have', async t => {
    const { fake, a } = await service(t, `echo '{"assignment":{}}'`, { actions })
    const ask = (action: string, given: Record<string, string>) =>
      askScheduler(fake.consul, 'svc', { action, given, limit: 0 })
    await assert.rejects(ask('promote', {}), /no instance has run a scheduler yet/)
    await schedule(a)
    await assert.rejects(ask('demote', {}), /there is no such action in its definition; there are: promote$/)
    await assert.rejects(ask('promote', {}), /the argument partition is missing \(which one\); give partition=…$/)
    await assert.rejects(ask('promote', { partition: '1', to: 'x' }), /it has no argument to; give partition$/)
    assert.throws(() => argumentsIn(['partition']), /"partition" is no argument; give name=value/)
    assert.deepEqual(argumentsIn(['a=b=c']), { a: 'b=c' })
  })
})
