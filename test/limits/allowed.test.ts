/** The limits of this machine as handlers meet them: at an offered definition, at each start, and when the file is garbled. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { withCommands } from '../../lib/act/choose.ts'
import { ownTroubles } from '../../lib/act/own-troubles.ts'
import { startDue } from '../../lib/checks/commands.ts'
import { watchedIn } from '../../lib/checks/watched.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { eventOf } from '../../lib/hooks/event.ts'
import { startHooks, stateOfHook } from '../../lib/hooks/run-hook.ts'
import { probeOf, saysGone } from '../../lib/process/containment/gone.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { mustBeWithinLimits } from '../../lib/setup/configure/limits.ts'
import { servicesFrom } from '../../lib/setup/configure/services.ts'
import { allowed, troubleHere } from '../../lib/state/allowed.ts'
import { refusal } from '../../lib/state/bounded.ts'
import { definitionInForce, putOfferedInForce } from '../../lib/state/definition.ts'
import { readFact, readLine, writeFact } from '../../lib/state/facts.ts'
import { localFacts } from '../../lib/state/local.ts'
import { type InstanceFiles, instanceFiles } from '../../lib/state/paths.ts'
import { definition, snapshotOf } from '../fixtures/cluster.ts'
import { contextOf, directory } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'
import { held, isRoot, place, running, withVariable } from './place.ts'

const skip = !isRoot && 'only root can write limits that are believed'

/** The machine's limits, in a directory that is root's alone. */
function limits(test: TestContext, text: string): string {
  const folder = join(directory(test), 'etc')
  mkdirSync(folder, { mode: 0o755 })
  const file = join(folder, 'limits.json')
  withVariable(test, 'WATCHBILL_LIMITS', file)
  write(file, text)
  return file
}

let written = 0
/** At another time each, as far as the file tells. */
function write(file: string, text: string): void {
  rmSync(file, { force: true })
  writeFileSync(file, text)
  utimesSync(file, ++written, written)
}

const only = (...programs: string[]) => JSON.stringify({ programs })
const rest = (file: string) => `${file} does not allow that; correct the definition, or have root allow it there`

function definitionFile(test: TestContext, more: object = {}): string {
  const file = join(directory(test), 'svc.json')
  rewrite(file, more)
  return file
}

function rewrite(file: string, more: object): void {
  write(
    file,
    JSON.stringify({ name: 'svc', partitions: { range: [0, 1] }, run: { command: ['/bin/sleep', '1000'] }, ...more }),
  )
}

describe('an offered definition', { skip }, () => {
  it('that the machine does not allow never takes part', async test => {
    const file = limits(test, only('/opt'))
    const [files, offered] = [place(test), definitionFile(test)]
    await assert.rejects(putOfferedInForce(files, offered, 'svc'), {
      name: 'Permanent',
      message: `cannot use the definition ${offered}: run.command[0]: "/bin/sleep" is in no directory of programs: ${rest(file)}`,
    })
  })

  it('is compared without a trace when nothing may be written', async test => {
    limits(test, only('/bin'))
    const [files, offered] = [place(test), definitionFile(test)]
    assert.equal((await putOfferedInForce(files, offered, 'svc', false)).problem, null)
    rewrite(offered, { run: { command: ['/opt/evil'] } })
    await assert.rejects(putOfferedInForce(files, offered, 'svc', false), /in no directory of programs/)
    assert.ok(!existsSync(files.allowed))
  })

  it('that is changed to what is not allowed leaves the last good one in force; allowed later, it comes into force', async test => {
    const file = limits(test, only('/bin'))
    const [files, offered] = [place(test), definitionFile(test)]
    assert.equal((await putOfferedInForce(files, offered, 'svc')).problem, null)
    rewrite(offered, { run: { command: ['/opt/evil'] } })
    const { problem, definition } = await putOfferedInForce(files, offered, 'svc')
    assert.match(
      problem ?? '',
      /run\.command\[0\]: "\/opt\/evil" is in no directory.*the last good definition stays in force/,
    )
    assert.deepEqual(definition.run.command, ['/bin/sleep', '1000'])
    write(file, only('/bin', '/opt'))
    assert.equal((await putOfferedInForce(files, offered, 'svc')).problem, null)
  })

  it('is compared with what all other services may take', async test => {
    limits(test, JSON.stringify({ pids: 100 }))
    const files = place(test)
    const root = join(files.directory, '..')
    const run = { command: ['/bin/sleep'], pids: 30 }
    const [one, two] = [definitionFile(test, { maxPartitions: 2, run }), definitionFile(test)]
    assert.equal((await putOfferedInForce(files, one, 'svc')).problem, null)
    const other = instanceFiles(root, 'a:other')
    mkdirSync(other.directory)
    rewrite(two, { name: 'other', maxPartitions: 2, run })
    await assert.rejects(
      putOfferedInForce(other, two, 'other'),
      /run\.pids: 2 × 30 = 60, and 1 other service may take 60: more than 100/,
    )
    rewrite(two, { name: 'other', maxPartitions: 1, run })
    assert.equal((await putOfferedInForce(other, two, 'other')).problem, null)
    // One that has left takes nothing.
    writeFact(files.left, 'left')
    rewrite(two, { name: 'other', maxPartitions: 3, run })
    assert.equal((await putOfferedInForce(other, two, 'other')).problem, null)
  })

  it('of two that came at the same time, the first goes on and the other starts nothing', async test => {
    const file = limits(test, '{}')
    const files = place(test)
    const other = instanceFiles(join(files.directory, '..'), 'a:other')
    mkdirSync(other.directory)
    const run = { command: ['/bin/sleep'], pids: 30 }
    await putOfferedInForce(files, definitionFile(test, { maxPartitions: 2, run }), 'svc')
    await putOfferedInForce(other, definitionFile(test, { name: 'other', maxPartitions: 2, run }), 'other')
    utimesSync(files.definition, 5, 5)
    utimesSync(other.definition, 6, 6)
    write(file, JSON.stringify({ pids: 100 }))
    const why = (of: InstanceFiles) => refusal(of.directory, definitionInForce(of)?.definition ?? definition)
    assert.equal(await why(files), null)
    assert.match((await why(other)) ?? '', /and 1 other service may take 60/)
  })
})

describe('what is started', { skip }, () => {
  it('is compared each time: what was allowed once is refused now, and what runs goes on', async test => {
    const file = limits(test, only('/bin'))
    const files = place(test)
    const [first, second] = [held(files, '1'), held(files, '2')]
    const sleeping = running(['/bin/sleep', '1000'])
    await startShepherds(sleeping, [first])
    await until('it to run', () => readLine(first.files.status) === 'running')
    write(file, only('/opt'))
    await startShepherds(sleeping, [second])
    const why = `run.command[0]: "/bin/sleep" is in no directory of programs: ${rest(file)}`
    assert.equal(readFact(second.files.status), `cannot start: ${why}`)
    assert.ok(!existsSync(second.files.shepherd))
    assert.equal(readLine(first.files.status), 'running')
    assert.equal(troubleHere(files.directory, sleeping), `${why} (what runs goes on, and nothing is started)`)
    write(file, only('/bin'))
    await startShepherds(sleeping, [second])
    await until('it to run', () => readLine(second.files.status) === 'running')
  })

  const elsewhere = { ...running(['/opt/work']), hooks: { failed: ['/bin/true'] } }

  it('as a hook fails, and says why', async test => {
    limits(test, only('/opt'))
    const files = place(test)
    const self = contextOf(null as never, files)
    const hook = {
      directory: directory(test),
      event: eventOf({ event: 'failed', partition: '1' }),
      command: ['/bin/true'],
    }
    await startHooks(self, elsewhere, [hook])
    const state = stateOfHook(hook)
    assert.match(
      typeof state === 'object' ? (state?.failure ?? '') : '',
      /^exit 126: hooks\.failed\[0\]: "\/bin\/true" is in no directory/,
    )
  })

  it('as a check does not run, and is not critical for that', async test => {
    const file = limits(test, only('/opt'))
    const files = place(test)
    const start = held(files, '1')
    const text = JSON.stringify({
      name: 'svc',
      partitions: { range: [0, 1] },
      run: { command: ['/opt/a'] },
      checks: [{ name: 'c', command: ['/bin/true'], interval: '1s' }],
    })
    const checked = await parseDefinition(text, 'svc.json')
    writeFact(start.files.index, '1')
    const local = new Map(
      [...localFacts(files, null, 0)].map(([id, one]) => [id, { ...one, shepherd: { pid: 1, start: '1' } }]),
    )
    const run = contextOf(null as never, files)
    const watched = watchedIn(files, checked, local, 0)
    assert.equal(watched.length, 1)
    const before = watched[0]?.state
    await startDue(run, checked, watched, () => 0)
    assert.equal(watched[0]?.state.started, null)
    assert.equal(watched[0]?.state.status, before?.status)
    write(file, only('/opt', '/bin'))
    for (const one of watched) one.state = { ...one.state, due: 0 }
    await startDue(run, checked, watched, () => 0)
    assert.notEqual(watched[0]?.state.started, null)
  })

  it('as stop.gone has not confirmed anything: the lock is kept', async test => {
    const file = limits(test, only('/opt'))
    const files = place(test)
    const asks = { ...running(['/opt/a']), stop: { ...definition.stop, gone: ['/bin/true'] } }
    const probe = probeOf({ instance: 'a:svc', node: 'a', files }, asks, '1') ?? assert.fail('no probe')
    assert.equal(await saysGone(probe), false)
    write(file, only('/opt', '/bin'))
    assert.equal(await saysGone(probe), true)
  })

  it('is never more than the definition says, whatever stands in the document of a partition', async test => {
    const files = place(test)
    const start = held(files, '1')
    const choice = { pointer: '/role', of: { web: ['/bin/echo', 'the', 'web', '{partition}'] } }
    const chosen = running([], { umask: '0077' }, { choose: choice })
    const fields = [
      'command',
      'run',
      'user',
      'group',
      'memory',
      'limits',
      'env',
      'cwd',
      'stop',
      'hooks',
      'checks',
      'private',
      'readOnly',
      'of',
      'choose',
    ]
    for (const field of fields) {
      writeFact(start.files.document, JSON.stringify({ role: 'web', [field]: ['/bin/sh', '-c', 'id'] }))
      assert.deepEqual(
        withCommands(chosen, [start], () => {}),
        [{ ...start, command: choice.of.web }],
      )
    }
    writeFact(start.files.document, JSON.stringify({ role: ['/bin/sh'] }))
    assert.deepEqual(
      withCommands(chosen, [start], () => {}),
      [],
    )
  })
})

describe('limits that cannot be used', { skip }, () => {
  const spoiled: [what: string, spoil: (file: string) => void, why: RegExp][] = [
    ['are garbled', file => write(file, '{"programs":'), /line 1, column 13/],
    ['have an unknown field', file => write(file, '{"program":[]}'), /program: is an unknown field/],
    [
      'may be written by others',
      file => chmodSync(file, 0o666),
      /others than root may write .*limits\.json; chmod go-w/,
    ],
    [
      'are in a directory of others',
      file => chmodSync(join(file, '..'), 0o777),
      /others than root may write .*\/etc; chmod go-w/,
    ],
    [
      "are another user's",
      file => chownSync(file, 65534, 65534),
      /limits\.json belongs to user 65534, and only root may write it/,
    ],
    ['are gone, although they are named', file => rmSync(file), /ENOENT|no such file/],
  ]
  for (const [what, spoil, why] of spoiled) {
    it(`and ${what} leave the last good ones in force, and say so`, async test => {
      const file = limits(test, only('/bin'))
      const { directory } = place(test)
      assert.equal(await refusal(directory, running(['/bin/true'])), null)
      spoil(file)
      assert.equal(await refusal(directory, running(['/bin/true'])), null)
      assert.match((await refusal(directory, running(['/opt/a']))) ?? '', /in no directory of programs/)
      assert.match(allowed(directory).problem ?? '', why)
      assert.match(troubleHere(directory, running(['/bin/true'])) ?? '', /the last good limits stay in force\)$/)
    })

    it(`and ${what} from the beginning allow no start`, async test => {
      const file = limits(test, only('/bin'))
      spoil(file)
      const files = place(test)
      const start = held(files, '1')
      await startShepherds(running(['/bin/true']), [start])
      assert.match(
        readFact(start.files.status) ?? '',
        new RegExp(`^cannot start: .*(${why.source}).*; nothing is started until it is mended`),
      )
      await assert.rejects(putOfferedInForce(files, definitionFile(test), 'svc'), why)
      write(file, only('/bin'))
      chmodSync(join(file, '..'), 0o755)
      assert.equal(await refusal(files.directory, running(['/bin/true'])), null)
    })
  }

  it('are told by status on every agent', async test => {
    const file = limits(test, '{')
    const files = place(test)
    const why = troubleHere(files.directory, definition)
    const [told] = ownTroubles(files, snapshotOf({}), why)
    assert.match(told ?? '', new RegExp(`^cannot use the limits ${file}: .* \\(nothing is started\\); correct it`))
  })

  it('are not asked for where there are none', async test => {
    withVariable(test, 'WATCHBILL_LIMITS', undefined)
    const files = place(test)
    assert.equal(
      await refusal(files.directory, running(['/anything'])),
      existsSync('/etc/watchbill/limits.json') ? assert.fail() : null,
    )
    assert.ok(!existsSync(files.allowed))
  })
})

describe('configure', { skip }, () => {
  const configured = async (file: string) => mustBeWithinLimits(await servicesFrom([file], '/nowhere'), '/nowhere')

  it('refuses what is outside, naming the file and the field', async test => {
    const file = limits(test, JSON.stringify({ users: ['nobody'] }))
    const offered = definitionFile(test)
    await assert.rejects(configured(offered), {
      name: 'Permanent',
      message: `cannot use the definition ${offered}: run.user: is missing; users has nobody: ${rest(file)}`,
    })
    write(file, '{')
    await assert.rejects(
      configured(offered),
      new RegExp(`cannot use the definition ${offered}: cannot use the limits ${file}: line 1`),
    )
  })

  it('refuses a limit that this machine cannot keep, unless the definition accepts less', async test => {
    withVariable(test, 'WATCHBILL_LIMITS', undefined)
    const offered = definitionFile(test, { run: { command: ['/bin/true'], user: 'nobody-such', private: ['/tmp'] } })
    await assert.rejects(configured(offered), {
      name: 'Permanent',
      message: `cannot use the definition ${offered}: run.user: there is no user nobody-such on this machine; give the machine what it lacks (see doctor), or say "limits": "best-effort" in run`,
    })
    rewrite(offered, { run: { command: ['/bin/true'], user: 'nobody-such', limits: 'best-effort' } })
    await configured(offered)
  })

  it('takes no limits for a definition', async test => {
    const file = limits(test, '{}')
    const folder = join(file, '..')
    write(
      join(folder, 'svc.json'),
      JSON.stringify({ name: 'svc', partitions: { range: [0, 1] }, run: { command: ['/bin/true'] } }),
    )
    const services = await servicesFrom([], folder)
    assert.deepEqual(
      services.map(({ definition }) => definition.name),
      ['svc'],
    )
  })
})
