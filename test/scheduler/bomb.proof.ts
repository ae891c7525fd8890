/**
 * A scheduler that forks without end, on a real agent: each run is killed with everything that it started, and nobody's lease
 * is lost meanwhile. Needs root. Every bomb here also ends by itself after 30 s, whatever watchbill does.
 */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { Consul } from '../../lib/consul/http.ts'
import { readSchedulerDuty } from '../../lib/keys/scheduler.ts'
import { allPids } from '../../lib/machine/marks.ts'
import { instanceLease } from '../../lib/state/lease.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { everywhere, neverTwice, type Stage, settled, stage } from '../cluster/stage.ts'
import { longestGap } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { install, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'

/** What a bomb does until `end`. Each process that it starts adds a byte to the file COUNT. */
const bombs = {
  /** All its processes fork. It starts no more once there have been 1500. */
  grows: `while (time < $end) {
    if (-s $count >= 1500) { select undef, undef, undef, 0.1; next }
    my $p = fork;
    syswrite $f, '.' if defined $p && $p == 0;
  }`,
  /** 100 chains, each of one process that forks the next one, in a session of its own, and exits. */
  flees: `use POSIX ();
  for (1 .. 100) {
    my $p = fork;
    next unless defined $p && $p == 0;
    while (time < $end) {
      POSIX::setsid();
      my $q = fork;
      exit 0 if $q;
      syswrite $f, '.' if defined $q;
    }
    exit 0;
  }
  sleep 30;`,
}

/** Answers well, but for the one run after `mode` was written. */
const script = (at: string) => `#!/usr/bin/perl
use strict;
my $count = '${at}/count';
open my $m, '+<', '${at}/mode' or die;
my $mode = <$m> // '';
truncate $m, 0;
open my $f, '>>', $count or die;
my $end = time + 30;
if ($mode eq 'grows') { ${bombs.grows} }
if ($mode eq 'flees') { ${bombs.flees} }
print '{"assignment":{}}';
`

/** Of the service: the default, ms. */
const lease = 10_000
/** So long nothing of a bomb must have been seen, ms. */
const silence = 1000

const isRoot = process.getuid?.() === 0

describe('a scheduler that forks without end', { skip: isRoot ? false : 'it needs root' }, () => {
  const shared = sharedCluster({ clients: 1 })
  let agent: Agent

  before(() => {
    agent = shared().agent('a1')
  })

  /** A service with such a scheduler, and what becomes of one bomb. */
  const prepared = async (t: TestContext, name: string, user: { user?: string }) => {
    const at = mkdtempSync(join(tmpdir(), 'watchbill-bomb-'))
    t.after(() => rmSync(at, { recursive: true, force: true }))
    for (const file of ['mode', 'count']) writeFileSync(join(at, file), '')
    for (const file of ['mode', 'count']) chmodSync(join(at, file), 0o666)
    writeFileSync(join(at, 'assign'), script(at))
    for (const one of [at, join(at, 'assign')]) chmodSync(one, 0o755)
    const assign = { command: [join(at, 'assign')], every: '2s', timeout: '3s', ...user }
    const work = stage(shared(), name, 'beating', { partitions: { range: [0, 3] }, assign })
    await install(agent, work.definition)
    await settled(work, [agent])
    return { at, work }
  }

  const livingOf = (at: string) =>
    allPids().filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(join(at, 'assign'))
      } catch {
        return false
      }
    }).length
  const started = (at: string) => statSync(join(at, 'count')).size

  /** What is wrong with the guard, or its lease, at this moment; empty when all is well. */
  const unwell = async ({ definition }: Stage): Promise<string[]> => {
    const checks = await agent.api<{ CheckID: string; Status: string }[]>('GET', `/v1/health/node/${agent.name}`)
    const files = instanceFiles(agent.state, instanceOf(agent, definition))
    const now = bootClock()
    const left = (instanceLease(files, now) ?? 0) + lease - now
    return [
      ...checks.flatMap(({ CheckID, Status }) => (Status === 'passing' ? [] : [`${CheckID} is ${Status}`])),
      ...(left > 0 ? [] : [`the lease: ${left} ms`]),
    ]
  }

  const explode = async (t: TestContext, mode: string, one: { at: string; work: Stage }) => {
    const { at, work } = one
    const { name } = work.definition
    const consul = new Consul({ env: { CONSUL_HTTP_ADDR: shared().agent('s1').http } })
    try {
      const wrong = new Set<string>()
      const before = everywhere(work, [agent])
      const first = started(at)
      let most = 0
      writeFileSync(join(at, 'mode'), mode)
      const since = bootClock()
      const problem = await until(
        'it to be refused',
        async see => {
          for (const line of await unwell(work)) wrong.add(line)
          most = Math.max(most, livingOf(at))
          return see((await readSchedulerDuty(consul, keysOf(name)))?.problem)
        },
        { deadline: 40_000, every: 100 },
      )
      const told = bootClock() - since
      let [count, seen] = [0, bootClock()]
      await until(
        'the next run to be good, and nothing of the bomb to be left',
        async see => {
          for (const line of await unwell(work)) wrong.add(line)
          // The scheduler itself is seen at each of its runs.
          if (started(at) !== count || livingOf(at) > 1) [count, seen] = [started(at), bootClock()]
          const good = (await readSchedulerDuty(consul, keysOf(name)))?.problem === null
          return see({ good, count, silent: bootClock() - seen }) && good && bootClock() - seen > silence
        },
        // Before the bomb ends by itself.
        { deadline: 15_000, every: 100 },
      )
      t.diagnostic(
        `${problem}; after ${told} ms; ${started(at) - first} processes were started, at most ${most} seen at once`,
      )
      const beats = (await work.beats()).filter(({ at }) => at > since - 1000)
      const gaps = [...before.keys()].map(partition => longestGap(beats, partition))
      t.diagnostic(`the longest time without an owner of a partition: ${Math.max(...gaps)} ms`)
      assert.ok(started(at) - first > 100, 'it was a bomb')
      assert.deepEqual([...wrong], [])
      assert.deepEqual(everywhere(work, [agent]), before, 'no process of a partition was touched')
      assert.equal(before.size, 4)
      await neverTwice(work)
    } finally {
      consul.close()
    }
  }

  for (const [who, user] of [
    ['as another user', { user: 'nobody' }],
    ['as root', {}],
  ] as const)
    for (const mode of ['grows', 'flees'])
      it(`${who} that ${mode} is killed, and no lease is lost`, async t =>
        explode(t, mode, await prepared(t, `${mode}-${who.replaceAll(' ', '-')}`, user)))
})
