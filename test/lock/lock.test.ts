import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { lockKeysOf } from '../../lib/base/names.ts'
import { Consul } from '../../lib/consul/http.ts'
import { knownServices } from '../../lib/keys/services.ts'
import { makeRelease } from '../../lib/setup/release/release.ts'
import { lives } from '../handlers/support/processes.ts'
import { handlers } from '../handlers/support/programs.ts'
import { overlaps } from '../lab/beats.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { home } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { Beats, fromSources, type HowToLock, keysOfLock, Locker, sessions, under, worker } from './locker.ts'

const cluster = sharedCluster({ clients: 0 })
const agent = () => cluster().agent('s1')
const lock = (...args: string[]) => new Locker(agent(), args)
const run = (args: string[], how?: HowToLock) => new Locker(agent(), args, how).ended
/** A shell command that says it is there, and ends on SIGTERM. */
const waits = ['sh', '-c', 'echo there; exec sleep 100']

describe('the command', { concurrency: 4 }, () => {
  it('has stdin, stdout and stderr, and passes its status on', async () => {
    const script = 'cat; echo "to stderr $1" >&2; exit 7'
    const words = ['pipes', '--pass-stdin', '--', 'sh', '-c', script, 'sh', '--no-wait']
    const { code, stdout, stderr } = await run(words, { stdin: 'in' })
    assert.deepEqual({ code, stdout, stderr }, { code: 7, stdout: 'in', stderr: 'to stderr --no-wait\n' })
  })

  it('leaves a loop what the loop reads, unless it is given it', async () => {
    const script = 'while read -r line; do echo "$line"; "$@" -- tr a-z A-Z; done'
    const loop = ['/bin/sh', '-c', script, 'sh', ...fromSources] as const
    const [without, given] = await Promise.all([
      run(['loop'], { stdin: 'a\nb\n', program: loop }),
      run(['given', '--pass-stdin'], { stdin: 'a\nb\n', program: loop }),
    ])
    assert.deepEqual([without.stdout, given.stdout], ['a\nb\n', 'a\nB\n'])
  })

  it('may be a line for the shell', async () => {
    const env = { SHELL: '/bin/sh', MINE: 'mine' }
    const { code, stdout } = await run(['shell', '--shell', '--', 'echo "$MINE" | tr a-z A-Z; exit 1'], { env })
    assert.deepEqual([code, stdout], [1, 'MINE\n'])
  })

  it('that a signal ended is 128 + n', async () => {
    assert.equal((await run(['killed', '--', 'sh', '-c', 'kill -9 $$'])).code, 137)
  })

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGUSR1', 138],
  ] as const) {
    it(`gets ${signal}`, async () => {
      const locker = lock(`gets-${signal}`, '--', ...waits)
      await locker.said('there')
      locker.kill(signal)
      assert.equal((await locker.ended).code, code)
    })
  }

  it('that has its own answer to a signal gives it', async () => {
    const locker = lock(
      'trap',
      '--',
      'sh',
      '-c',
      'trap "echo bye; exit 3" TERM; echo there; while :; do sleep 0.1; done',
    )
    await locker.said('there')
    locker.kill('SIGTERM')
    const { code, stdout } = await locker.ended
    assert.deepEqual({ code, stdout }, { code: 3, stdout: 'there\nbye\n' })
  })

  it('finds a growing token and the name, and no token of Consul’s', async () => {
    const script = 'echo "$WATCHBILL_LOCK:$WATCHBILL_TOKEN:$CONSUL_HTTP_TOKEN:$MINE"'
    const env = { CONSUL_HTTP_TOKEN: 'secret', MINE: 'mine' }
    const both = [
      await run(['env', '--', 'sh', '-c', script], { env }),
      await run(['env', '--', 'sh', '-c', script], { env }),
    ]
    const tokens = both.map(({ stdout }) => Number(/^env:(\d+)::mine\n$/.exec(stdout)?.[1] ?? assert.fail(stdout)))
    assert.ok((tokens[0] as number) < (tokens[1] as number))
  })

  it('that is not there is refused before anything is locked', async () => {
    const { code, stderr } = await run(['none', '--', 'no-such-program'])
    assert.deepEqual(
      [code, stderr],
      [
        100,
        'lock: permanent: cannot run "no-such-program": there is no such program on PATH; name one that is there\n',
      ],
    )
  })

  it('that runs too long is stopped', async () => {
    const { code, stderr } = await run([
      'late',
      '--timeout',
      '300ms',
      '--grace',
      '300ms',
      '--',
      'sh',
      '-c',
      'trap "" TERM; while :; do sleep 0.1; done',
    ])
    assert.deepEqual(
      [code, stderr],
      [111, 'lock: temporary: cannot finish late: it ran longer than 0.3 s; the command was stopped\n'],
    )
  })

  it('is over only when what it left behind is gone, whatever group that is in', async () => {
    const beats = new Beats(agent(), 'left')
    const script = 'setsid sh "$0" "$1" & exec 3<"$1"; while ! read -r _ <&3; do sleep 0.05; done'
    const { code } = await run(['left', '--', 'sh', '-c', script, worker, beats.file])
    assert.equal(code, 0)
    assert.deepEqual((await beats.workers()).filter(lives), [])
    assert.equal((await beats.read()).at(-1)?.stop, true, 'it was asked first')
    assert.equal((await keysOfLock(agent(), 'left')).get('slot/0')?.session, null)
  })
})

describe('a lock', { concurrency: 4 }, () => {
  it('leaves nothing behind but its keys, one line of JSON each', async () => {
    await run(['keys', '--', 'true'])
    const keys = await keysOfLock(agent(), 'keys')
    assert.deepEqual([...keys.keys()], ['slot/0', 'spec'])
    assert.equal(JSON.parse(keys.get('slot/0')?.value ?? '').clean, true)
    assert.deepEqual(JSON.parse(keys.get('spec')?.value ?? ''), { slots: 1, lease: 10_000, grace: 3000, epoch: 0 })
    await until('its session to be gone', async () => (await sessions(agent(), 'keys')) === 0)
  })

  it('is no service', async () => {
    await run(['service', '--', 'true'])
    const consul = new Consul({ env: { CONSUL_HTTP_ADDR: agent().http } })
    assert.deepEqual(await knownServices(consul), [])
    consul.close()
  })

  it('that is held is not waited for with --no-wait, or longer than --wait, and its holder is named', async () => {
    const holder = lock('held', '--name', 'run #12', '--', ...waits)
    await holder.said('there')
    const began = performance.now()
    const [now, later] = await Promise.all([
      run(['held', '--no-wait', '-E', '75', '--', 'echo', 'no']),
      run(['held', '--wait', '1s', '--', 'echo', 'no']),
    ])
    assert.ok(performance.now() - began >= 1000)
    assert.deepEqual([now.code, later.code], [75, 1])
    const who = new RegExp(`^lock: held is held by run #12 \\(\\S+:${holder.pid}\\) since 20\\d\\d-\\S+Z\\n$`)
    for (const { stdout, stderr } of [now, later]) {
      assert.equal(stdout, '')
      assert.match(stderr, who)
    }
    holder.kill('SIGTERM')
    assert.equal((await run(['held', '--wait', '10s', '--', 'echo', 'yes'])).stdout, 'yes\n')
  })

  it('is handed from one to the next, one at a time', async () => {
    const beats = new Beats(agent(), 'chain')
    const work = ['timeout', '0.3', 'sh', worker, beats.file]
    const all = await Promise.all(Array.from({ length: 6 }, () => run(['chain', '--', ...work])))
    assert.deepEqual(
      all.map(({ code }) => code),
      Array(6).fill(124),
    )
    assert.equal((await beats.workers()).length, 6)
    assert.deepEqual(overlaps(await beats.read()), [])
  })

  it('with slots is held by as many, who have to agree on the number', async () => {
    const holders = [1, 2].map(() => lock('slots', '--slots', '2', '--', ...waits))
    for (const holder of holders) await holder.said('there')
    const third = await run(['slots', '--slots', '2', '--no-wait', '--', 'true'])
    assert.equal(third.code, 1)
    assert.match(third.stderr, /^lock: slots has 2 slots in use: is held by \S+ since \S+, is held by \S+ since \S+\n$/)
    const other = await run(['slots', '--slots', '3', '--', 'true'])
    assert.deepEqual(
      [other.code, other.stderr],
      [
        100,
        'lock: permanent: cannot take slots: it is used with 2 slots, and --slots says 3; use the same number everywhere\n',
      ],
    )
    holders[0]?.kill('SIGTERM')
    assert.equal((await run(['slots', '--slots', '2', '--wait', '10s', '--', 'true'])).code, 0)
    holders[1]?.kill('SIGTERM')
    await holders[1]?.ended
    assert.equal((await run(['slots', '--slots', '3', '--', 'true'])).code, 0, 'unused, it may have another number')
  })

  const refusable = ['..', 'a/../b?c#d', '日本 😀', 'new\nline']
  for (const name of refusable) {
    it(`is not to be called ${JSON.stringify(name)}, unless it is there already`, async () => {
      const { code, stdout, stderr } = await run([name, '--', 'echo', 'ran'])
      assert.deepEqual([code, stdout], [100, ''])
      assert.match(
        stderr,
        /^lock: permanent: cannot take .* take no key that holds .*; call it \S+ wherever it is used\n$/,
      )
      const { spec, slot } = lockKeysOf(name)
      const put = (key: string, value: string) =>
        agent().api('PUT', `/v1/kv/${key.split('/').map(encodeURIComponent).join('/')}`, value)
      await put(slot(0), '{"clean":true}')
      await put(spec, '{"slots":1,"lease":10000,"grace":3000}')
      assert.match(
        (await run([name, '--', 'true'])).stderr,
        /^lock: .*: before Consul is upgraded: .*; call it \S+ wherever/,
      )
    })
  }

  const names = [...refusable, 'a/b', '日本', '"$(reboot)"']
  for (const name of names) {
    it(`may be called ${JSON.stringify(name)}`, async () => {
      const holder = lock(name, '--', ...waits)
      await holder.said('there')
      const { code, stderr } = await run([name, '--no-wait', '--', 'true'])
      assert.equal(code, 1)
      assert.equal(stderr.split('\n').length, 2, stderr)
      holder.kill('SIGTERM')
      assert.equal((await holder.ended).code, 143)
    })
  }

  it('may begin with a dash, behind a --', async () => {
    assert.equal((await run(['--no-wait', '--', '--help', '--', 'echo', 'ran'])).stdout, 'ran\n')
  })
})

describe('a waiter', { concurrency: 4 }, () => {
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const) {
    it(`that gets ${signal} is gone at once, and never touches what the holder has`, async () => {
      const name = `waiter-${signal}`
      const holder = lock(name, '--', ...waits)
      await holder.said('there')
      const before = [...(await keysOfLock(agent(), name))]
      const waiter = lock(name, '--verbose', '--', 'echo', 'no')
      await waiter.said('waiting')
      waiter.kill(signal)
      const ended = await waiter.ended
      assert.deepEqual([ended.code, ended.stdout], [code, ''])
      assert.deepEqual([...(await keysOfLock(agent(), name))], before)
      assert.equal(await sessions(agent(), name), 1, 'the holder’s')
      assert.equal(under(agent(), name).length, 1)
      holder.kill('SIGTERM')
      assert.equal((await run([name, '--wait', '9s', '--', 'true'])).code, 0)
    })
  }

  it('asks Consul, says that it waits, and then hears from it', async () => {
    const holder = lock('quiet', '--', ...waits)
    await holder.said('there')
    const waiter = new Locker(agent(), ['quiet', '--', 'true'], { env: { DEBUG: '1' } })
    await until('the waiter to have said that it waits', () => waiter.stderr.includes('/v1/session/create'))
    const other = await run(['quiet', '--wait', '2500ms', '--', 'true'])
    assert.equal(other.code, 1)
    const asked = waiter.stderr.split('\n').flatMap(line => /^debug: (\w+ \S+?)[?\s]/.exec(line)?.[1] ?? [])
    const look = 'GET /v1/kv/watchbill/.lock/quiet/'
    assert.deepEqual(asked, [look, look, 'PUT /v1/session/create'], waiter.stderr)
    holder.kill('SIGTERM')
    assert.equal((await waiter.ended).code, 0)
  })

  it('is listed once it has waited for a while, and no longer when it has its turn, or gave up', async () => {
    const listed = async () => JSON.parse((await run(['--list', 'seen', '--json'])).stdout)[0]
    const holder = lock('seen', '--', ...waits)
    await holder.said('there')
    const waiter = lock('seen', '--name', 'second try', '--', 'true')
    const hasty = lock('seen', '--', 'true')
    const { holders, waiters } = await until('both to be listed', async see => {
      const lock = see(await listed())
      return lock.waiters.length === 2 && lock
    })
    assert.match(holders[0].by, new RegExp(`:${holder.pid}$`))
    const expected = [new RegExp(`:${hasty.pid}$`), new RegExp(`^second try \\(.*:${waiter.pid}\\)$`)]
    for (const who of expected) assert.ok(waiters.some(({ by }: { by: string }) => who.test(by)))
    hasty.kill('SIGTERM')
    assert.equal((await hasty.ended).code, 143)
    assert.equal((await listed()).waiters.length, 1)
    holder.kill('SIGTERM')
    assert.equal((await waiter.ended).code, 0)
    assert.deepEqual(await listed(), { name: 'seen', slots: 1, holders: [], waiters: [] })
  })
})

describe('the program watchbill', { concurrency: 2 }, () => {
  it('runs it from a release', async () => {
    const { programs } = await makeRelease({ home, node: 'include', dryRun: false })
    const program = [`${programs}/watchbill`, 'lock'] as const
    const { code, stdout, stderr } = await run(['release', '--', 'sh', '-c', 'echo ran; exit 7'], { program })
    assert.deepEqual({ code, stdout, stderr }, { code: 7, stdout: 'ran\n', stderr: '' })
  })

  it('killed with -9 takes the command with it', async () => {
    const program = [process.execPath, join(handlers, 'watchbill.js'), 'lock'] as const
    const locker = new Locker(agent(), ['launched', '--', ...waits], { program })
    await locker.said('there')
    locker.kill('SIGKILL')
    await until('the command to be gone', () => under(agent(), 'launched').length === 0, { deadline: 3000 })
  })
})

describe('what the documentation says to type', () => {
  for (const [file, least] of [
    ['README.md', 1],
    ['docs/lock.md', 18],
  ] as const) {
    it(`in ${file} runs as it is written`, async () => {
      const text = readFileSync(join(import.meta.dirname, '../..', file), 'utf8')
      const blocks = Array.from(text.matchAll(/^```sh\n(.*?)^```/gms), ([, block = '']) => block)
      const lines = blocks.flatMap(block => block.split('\n')).filter(line => line.includes('watchbill lock'))
      assert.ok(lines.length >= least, `${lines.length} lines`)
      const folder = mkdtempSync(join(agent().folder, 'typed-'))
      symlinkSync(join(handlers, 'watchbill.js'), join(folder, 'watchbill'))
      for (const name of ['deploy.sh', 'import.sh', 'backup.sh', 'nightly.sh', 'ssh'])
        writeFileSync(join(folder, name), '#!/bin/sh\nexec cat\n', { mode: 0o755 })
      writeFileSync(join(folder, 'hosts'), 'web1\nweb2\n')
      const env = { PATH: `${folder}:${dirname(process.execPath)}:${agent().env.PATH}` }
      for (const line of lines) {
        const program = ['/bin/sh', '-c', `cd ${folder} && ${line}`] as const
        const { code, stderr } = await new Locker(agent(), [], { program, env }).ended
        assert.equal(code, 0, `${line}\n${stderr}`)
      }
    })
  }
})
