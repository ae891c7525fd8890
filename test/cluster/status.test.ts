import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Status } from '../../lib/operate/status/status.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { install, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { statusOf } from './stage.ts'

const script = 'case $WATCHBILL_PARTITION in bad) exit 3 ;; *) exec sleep 100000 ;; esac'
const definition = {
  name: 'work',
  partitions: { list: ['bad', 'one', 'two', 'three'] },
  run: { command: ['/bin/sh', '-c', script] },
  lease: '7s',
  stop: { grace: '2s' },
}

test('status says from any agent which partition is how, and why', async t => {
  const cluster = await clusterFor(t, { clients: 2, settings: tunedGossip })
  const [s1, a1, stranger] = cluster.agents as [Agent, Agent, Agent]
  const seen = (what: string, service: string, condition: (status: Status) => unknown) =>
    until(
      what,
      async see => {
        const status = await statusOf(stranger, service)
        see(status.partitions)
        return condition(status) ? status : null
      },
      { deadline: 60_000 },
    )
  const of = (status: Status, partition: string) => status.partitions.find(one => one.partition === partition)
  await install(s1, definition)
  await install(a1, definition)

  await t.test('running and crash-looping', async () => {
    const status = await seen('bad to loop', 'work', all => {
      return (
        all.instances.length === 2 &&
        all.instances.every(({ held }) => held === 2) &&
        of(all, 'bad')?.state === 'crash-looping' &&
        all.partitions.filter(one => one.state === 'running').length === 3
      )
    })
    assert.match(of(status, 'bad')?.why ?? '', /exit 3/)
    assert.ok(of(status, 'bad')?.instance, 'and who has it')
    assert.equal(of(status, 'one')?.why, '')
  })

  await t.test('waiting for a takeover', async () => {
    await a1.stop('SIGKILL')
    const status = await seen('a wait', 'work', all =>
      all.partitions.some(one => one.state === 'waiting' && /at 20/.test(one.why)),
    )
    const waiting = status.partitions.find(({ state }) => state === 'waiting')
    assert.match(waiting?.why ?? '', /^takeover by s1:work at .*: a1:work lost the lock without giving it back$/)
    await seen('the takeover', 'work', all => all.partitions.every(one => one.instance === 's1:work'))
  })

  const line = async (...args: string[]) => {
    const told = program('status', ['work', '--check', ...args, '--http-addr', stranger.http])
    return told.catch(({ exitCode, stdout }: { exitCode: number; stdout: string }) => `${exitCode} ${stdout}`)
  }

  await t.test('a dead machine, though all of its partitions run elsewhere', async () => {
    const dead = /^1 work: .*; a1:work is not passing: the agent of a1 does not answer the others .* evict --node a1;/
    await until('the line', async see => dead.test(see(await line())))
  })

  await t.test('a lock in a foreign session, and when that is over', async () => {
    const { ID } = await s1.api<{ ID: string }>('PUT', '/v1/session/create', { Name: 'backup', LockDelay: '0s' })
    await program('partitions', ['work', 'add', 'five', '--http-addr', stranger.http])
    await seen('five to run', 'work', all => of(all, 'five')?.state === 'running')
    const lock = '/v1/kv/watchbill/work/lock/five'
    const { session } = await until('the lock to be taken', async () => {
      const [held] = await s1.api<{ Session?: string }[]>('GET', lock)
      if (held?.Session) await s1.api('PUT', `/v1/session/destroy/${held.Session}`)
      return (await s1.api<boolean>('PUT', `${lock}?acquire=${ID}`)) && { session: ID }
    })
    const foreign = `its lock is held by session ${session} ("backup" on s1), which is no instance's`
    await seen('the foreign lock', 'work', all => of(all, 'five')?.why.startsWith(foreign))
    await s1.api('PUT', `/v1/session/destroy/${session}`)
    await seen('it to be waited for', 'work', all => /^(waiting|starting|running)$/.test(of(all, 'five')?.state ?? ''))
  })

  await t.test('a definition file that is broken while the instance runs', async () => {
    const file = join(s1.etc, 'work.json')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, '{')
    const broken = /s1:work cannot use the definition .*work\.json: line 1, .*the last good definition stays in force/
    await seen('the line', 'work', all => broken.test(all.problem ?? ''))
    writeFileSync(file, text)
    await seen('it to be right again', 'work', all => !/definition/.test(all.problem ?? ''))
  })

  await t.test('drained', async () => {
    await program('drain', ['work', 's1:work', 'on', '--http-addr', stranger.http])
    const status = await seen('nothing held', 'work', all =>
      all.partitions.every(one => one.instance === null && one.state === 'drained'),
    )
    assert.match(of(status, 'one')?.why ?? '', /s1:work is drained/)
  })

  await t.test('unassigned', async () => {
    await install(s1, { ...definition, name: 'small', partitions: { list: ['one', 'two'] }, maxPartitions: 1 })
    const status = await seen('one to run', 'small', all => all.partitions.some(one => one.state === 'running'))
    const left = status.partitions.find(({ state }) => state === 'unassigned')
    assert.match(left?.why ?? '', /maxPartitions/)
  })

  await t.test('without a command, where its document chooses none', async () => {
    const command = { choose: '/role', of: { web: ['sleep', '100000'], worker: ['sleep', '200000'] } }
    await install(s1, { ...definition, name: 'roles', partitions: { list: ['none'] }, run: { command } })
    const file = `${cluster.root}/document.json`
    const add = (role: string) => {
      writeFileSync(file, JSON.stringify({ role }))
      return program('partitions', ['roles', 'add', role, '--document', file, '--http-addr', stranger.http])
    }
    await seen('a set', 'roles', all => all.partitions.length === 1)
    for (const role of ['web', 'worker', 'db']) await add(role)
    const status = await seen('two to run, and two to fail', 'roles', all => {
      const states = all.partitions.map(one => `${one.partition} ${one.state}`)
      return states.join() === 'db failing,none failing,web running,worker running'
    })
    assert.equal(
      of(status, 'db')?.why,
      'no command: /role of the document of db (watchbill/roles/partition/db): it is "db"; ' +
        'run.command.of has web, worker: correct the document, or the definition',
    )
    assert.match(of(status, 'none')?.why ?? '', /the document of none .*: there is no document; /)
    writeFileSync(file, '{"role":"web"}')
    await program('partitions', ['roles', 'add', 'db', '--document', file, '--http-addr', stranger.http])
    await seen('db to run', 'roles', all => of(all, 'db')?.state === 'running')
  })

  await t.test('and the program says so, with an exit code for monitoring', async () => {
    const page = await program('status', ['small', '--http-addr', stranger.http])
    assert.match(page, /^small: 2 partitions on 1 members; 1 running, 1 unassigned$/m)
    await assert.rejects(program('status', ['small', '--check', '--http-addr', stranger.http]), { exitCode: 1 })
    const running = (await statusOf(stranger, 'small')).partitions.find(({ state }) => state === 'running')
    assert.equal(await program('owner', ['small', running?.partition ?? '', '--http-addr', stranger.http]), 's1:small')
  })
})
