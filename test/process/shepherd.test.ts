import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import {
  alive,
  children,
  environ,
  exitOf,
  gone,
  kill,
  Partition,
  proc,
  shepherdFile,
  strays,
  until,
} from './partition.ts'

/** How much later than promised something may happen on a busy machine. */
const slack = 2500

/** The boot clock of /proc goes in steps of 10 ms, and the shepherd reads it rounded up. */
function assertTook(ms: number, promised: number, late = slack): void {
  assert.ok(ms >= promised - 30 && ms < promised + late, `took ${ms} ms instead of ${promised}`)
}

const forever = ['sleep', '1000']
/** In a shell, dash or bash: it lowers the limit that is the mark. */
const unmarked = '{ ulimit -w 7 || ulimit -x 7; } 2>/dev/null'
/** Without what a shell says of its own accord when a child was killed. */
const sh = (script: string, ...args: string[]) => ['sh', '-c', `exec 2>/dev/null; ${script}`, 'sh', ...args]
/** Says `ready`, then `TERM` for every TERM it gets, and goes on. */
const stubborn = sh('trap "echo TERM" TERM; echo ready; while :; do sleep 1000 & wait; done')
const ready = (p: Partition) => until('the process is ready', () => p.output().includes('ready'))
const shells = [['sh'], ...(existsSync('/bin/bash') ? [['bash', '--posix']] : [])]

describe('a shepherd', { concurrency: 2 }, () => {
  for (const shell of shells) {
    describe(`run by ${shell.join(' ')}`, { concurrency: 12 }, () => {
      test('restarts a process that ends, each time a little later', async t => {
        const p = new Partition(t)
        p.start({ shell, run: sh('cut -d" " -f1 /proc/uptime; exit 1') })
        await until('there were five runs', () => p.output().length >= 5)
        const times = p.output().map(text => Number(text) * 1000)
        for (const [i, delay] of [100, 200, 400, 800].entries()) {
          const gap = (times[i + 1] as number) - (times[i] as number)
          assert.ok(gap >= delay - 10 && gap < delay + slack, `gap ${i} is ${gap} ms`)
        }
        await until('the fourth restart is counted', () => Number(p.fact('restarts')) >= 4)
        await until('it says how it ended', () => /^exit 1 after 0 s at \d+$/.test(p.fact('exit') ?? ''))
      })

      test('gives a process that was asked to stop the time it needs, and no second signal', async t => {
        const p = new Partition(t)
        const child = await p.running({
          shell,
          run: sh('trap "echo TERM; sleep 0.3; echo bye; exit 7" TERM; echo ready; while :; do sleep 0.05; done'),
        })
        await ready(p)
        child.kill('SIGTERM')
        await until('the status says so', () => p.fact('status') === 'stopping: asked')
        child.kill('SIGTERM')
        assert.equal(await exitOf(child), 0)
        assert.deepEqual(p.output(), ['ready', 'TERM', 'bye'])
        assert.equal(p.fact('status'), 'stopped: asked')
        assert.match(p.fact('exit') ?? '', /^exit 7 after \d+ s at \d+$/)
        assert.equal(p.text('process'), '')
        assert.deepEqual(p.marked(), [])
      })

      test('counts a lease that is renewed while it reads it', async t => {
        const p = new Partition(t)
        const reads = p.renewAsItReads()
        const child = p.start({ shell, lease: 700, run: forever })
        await until('it has read the lease in its last moment, three times', () => reads() > 3)
        assert.equal(child.exitCode, null)
        assert.equal(p.fact('status'), 'running')
        assert.equal(p.fact('exit'), null)
      })

      test('kills a process that does not stop within the grace', async t => {
        const p = new Partition(t)
        const child = await p.running({ shell, grace: 600, run: stubborn })
        await ready(p)
        const asked = bootClock()
        child.kill('SIGTERM')
        const took = (await gone(p.pid())) - asked
        assertTook(took, 600)
        assert.equal(await exitOf(child), 0)
        assert.deepEqual(p.output(), ['ready', 'TERM'])
        assert.match(
          p.fact('exit') ?? '',
          /^exit 137 \(signal 9\), SIGKILL after the grace period, after \d+ s at \d+$/,
        )
      })

      test('stops the process when the lease is over, and kills it by lease + grace', async t => {
        const p = new Partition(t)
        const child = await p.running({ shell, lease: 2000, grace: 1000, run: stubborn })
        const pid = p.pid()
        await until('the stop signal came', () => p.output().includes('TERM'))
        const stopped = bootClock() - p.own
        const killed = (await gone(pid)) - p.own
        assertTook(stopped, 2000)
        assertTook(killed, 3000)
        assert.equal(await exitOf(child), 0)
        assert.equal(p.fact('status'), 'stopped: the lease is over')
      })

      test('notices every end of a process at once, however short the run', async t => {
        const herd = Array.from({ length: 12 }, (_, i) => {
          const p = new Partition(t)
          return { p, child: p.start({ shell, policy: 'never', run: ['sleep', `0.0${i % 10}`] }) }
        })
        for (const { p, child } of herd) {
          assert.equal(await exitOf(child), 0)
          assert.ok(bootClock() - p.own < 9000)
          assert.equal(p.fact('status'), 'finished: exit 0')
        }
      })
    })
  }

  describe('restarting', { concurrency: 12 }, () => {
    test('calls the third fast failure in a row a crash loop, and keeps that sentence', async t => {
      const p = new Partition(t)
      const statuses = p.transcript('status')
      p.start({ run: sh('n=$(cat n); echo $((n + 1)) >n; exit $((n + 1))') })
      await until('there were five restarts', () => Number(p.fact('restarts')) >= 5)
      const text = statuses.join('\n').replace(/\d{9,}/g, 'T')
      const beginning = 'starting\nrunning\nbacking off: exit 1\nrunning\nbacking off: exit 2\nrunning'
      assert.equal(text, `${beginning}\ncrash-looping since T: exit 3`)
    })

    test('calls it running again after a long run, and starts counting anew', async t => {
      const p = new Partition(t)
      const script = join(p.instance, 'shepherd.sh')
      writeFileSync(script, readFileSync(shepherdFile, 'utf8').replace('_steady=60000', '_steady=700'))
      const statuses = p.transcript('status')
      p.keepRenewed()
      p.start({ script, lease: 1500, run: sh('echo run >>runs; [ $(wc -l <runs) -lt 4 ] || sleep 2.5; exit 1') })
      await until('it failed again', () => statuses.length >= 9)
      const ends = statuses.slice(6).map(status => status.replace(/\d{9,}/g, 'T'))
      assert.deepEqual(ends.slice(0, 3), ['crash-looping since T: exit 1', 'running', 'backing off: exit 1'])
      assert.match(p.fact('exit') ?? '', /^exit 1 after 2 s/)
    })

    for (const [policy, code, expected] of [
      ['never', 0, 'finished: exit 0'],
      ['never', 3, 'finished: exit 3'],
      ['on-failure', 0, 'finished: exit 0'],
      ['on-failure', 3, null],
      ['always', 0, null],
    ] as const) {
      test(`${expected ? 'leaves' : 'restarts'} a process that exits ${code} under the policy ${policy}`, async t => {
        const p = new Partition(t)
        const child = p.start({ policy, run: sh(`echo ran; exit ${code}`) })
        if (expected) {
          assert.equal(await exitOf(child), 0)
          assert.equal(p.fact('status'), expected)
          assert.deepEqual(p.output(), ['ran'])
          assert.equal(p.text('process'), '')
        } else await until('it ran twice', () => p.output().length >= 2)
      })
    }

    test('says which signal ended the process', async t => {
      const p = new Partition(t)
      await p.running({ policy: 'never', run: forever })
      kill(p.pid(), 'SIGKILL')
      await until('it is finished', () => p.fact('status') === 'finished: exit 137 (signal 9)')
      assert.match(p.fact('exit') ?? '', /^exit 137 \(signal 9\) after \d+ s at \d+$/)
    })

    test('says so when there is no such command', async t => {
      const p = new Partition(t)
      await exitOf(p.start({ policy: 'never', run: ['./no such command'] }))
      assert.equal(p.fact('status'), 'finished: exit 127')
      assert.match(p.text('output'), /no such command/)
    })

    test('exits at once when it is asked to during a back-off', async t => {
      const p = new Partition(t)
      const child = p.start({ run: ['false'] })
      await until('it backs off for long', () => Number(p.fact('restarts')) >= 4 && p.text('process') === '')
      const asked = bootClock()
      child.kill('SIGTERM')
      assert.equal(await exitOf(child), 0)
      assert.ok(bootClock() - asked < slack)
      assert.equal(p.fact('status'), 'stopped: asked')
    })

    test('leaves nothing of a run that ended to the next', async t => {
      const p = new Partition(t)
      p.start({
        run: sh(`for stray in $(cat strays 2>/dev/null); do
          case $(cut -d" " -f3 /proc/$stray/stat 2>/dev/null) in [RSD]) echo "two generations" ;; esac
        done
        sleep 1000 & echo $! >>strays
        setsid sleep 1000 & echo $! >>strays
        (setsid sleep 1000 & echo $! >>strays) &
        wait $!; echo ran; exit 1`),
      })
      await until('it ran four times', () => p.output().length >= 4)
      assert.deepEqual(new Set(p.output()), new Set(['ran']))
    })

    test('sweeps up what a killed shepherd left before it starts anything', async t => {
      const p = new Partition(t)
      const first = await p.running({ run: sh('setsid sleep 1000 & echo $! >stray; wait') })
      const stray = await until('there is a stray', () => p.pid('stray'))
      first.kill('SIGKILL')
      await gone(p.pid())
      assert.ok(alive(stray))
      await until('the first lets go', () => !p.marked().includes(p.pid()))
      p.start({
        run: sh(`case $(cut -d" " -f3 /proc/${stray}/stat) in [RSD]) echo late ;; *) echo swept ;; esac; sleep 1000`),
      })
      await until('the second runs', () => p.output().length)
      assert.deepEqual(p.output(), ['swept'])
    })
  })

  describe('stopping', { concurrency: 12 }, () => {
    test('runs the stop command, and sends no signal when that was enough', async t => {
      const p = new Partition(t)
      const run = sh('trap "echo TERM" TERM; trap "echo USR1; exit 4" USR1; echo ready; while :; do sleep 0.05; done')
      const stop = sh('echo "$1|$2"; [ $WATCHBILL_DIR = "$PWD" ] && kill -USR1 $WATCHBILL_PID', `a 'b" $(x) *`, ';')
      const child = await p.running({ stop, run })
      await ready(p)
      child.kill('SIGTERM')
      assert.equal(await exitOf(child), 0)
      assert.deepEqual(p.output(), ['ready', `a 'b" $(x) *|;`, 'USR1'])
      assert.match(p.fact('exit') ?? '', /^exit 4 /)
    })

    test('lets a stop command finish after the process is gone', async t => {
      const p = new Partition(t)
      const stop = sh('kill -KILL $WATCHBILL_PID; sleep 0.4; echo cleared')
      const child = await p.running({ stop, run: forever })
      child.kill('SIGTERM')
      await exitOf(child)
      assert.deepEqual(p.output(), ['cleared'])
    })

    test('sends the signal after half the grace when the stop command hangs, and kills both', async t => {
      const p = new Partition(t)
      const child = await p.running({
        grace: 6000,
        stop: sh('echo $$ >stopper; trap "" TERM; sleep 1000'),
        run: stubborn,
      })
      await ready(p)
      const asked = bootClock()
      child.kill('SIGTERM')
      await until('the signal came', () => p.output().includes('TERM'))
      const signalled = bootClock() - asked
      assertTook(signalled, 3000)
      const killed = (await gone(p.pid())) - asked
      assertTook(killed, 6000)
      await exitOf(child)
      assert.ok(!alive(p.pid('stopper')))
      assert.deepEqual(p.marked(), [])
    })

    test('sends the signal at once when the stop command fails', async t => {
      const p = new Partition(t)
      const child = await p.running({ grace: 18000, stop: ['./missing'], run: forever })
      const asked = bootClock()
      child.kill('SIGTERM')
      await exitOf(child)
      assert.ok(bootClock() - asked < 7000)
      assert.match(p.fact('exit') ?? '', /^exit 143 \(signal 15\)/)
    })

    test('sends the signal it was told to, which the process does not ignore', async t => {
      for (const signal of ['SIGINT', 'QUIT', 'HUP']) {
        const p = new Partition(t)
        const child = await p.running({ signal, grace: 8000, run: forever })
        await until('it is what it will be', () => proc(p.pid(), 'comm') === 'sleep\n')
        const asked = bootClock()
        child.kill('SIGTERM')
        await exitOf(child)
        assert.ok(bootClock() - asked < 7000, signal)
      }
    })

    test('waits for the rest of the group after the leader ended', async t => {
      const p = new Partition(t)
      const member = 'trap "sleep 0.5; echo member; exit" TERM; echo ready; while :; do sleep 0.05; done'
      const child = await p.running({ grace: 18_000, run: sh(`(${member}) & wait`) })
      await ready(p)
      child.kill('SIGTERM')
      assert.equal(await exitOf(child), 0)
      assert.deepEqual(p.output(), ['ready', 'member'])
    })

    test('kills members of the group that outstay the grace', async t => {
      const p = new Partition(t)
      const child = await p.running({
        grace: 500,
        run: sh('(trap "" TERM; echo ready; exec sleep 1000) & echo $! >member; wait'),
      })
      await ready(p)
      child.kill('SIGTERM')
      await exitOf(child)
      assert.ok(!alive(p.pid('member')))
    })

    test('signals a descendant that left the group, and waits for it', async t => {
      const p = new Partition(t)
      const left = 'echo $$ >left; trap "sleep 0.3; echo left; exit" TERM; echo ready; while :; do sleep 0.05; done'
      const child = await p.running({ run: sh(`setsid env -u WATCHBILL_DIR sh -c '${left}' & sleep 1000`) })
      await ready(p)
      child.kill('SIGTERM')
      await exitOf(child)
      assert.deepEqual(p.output(), ['ready', 'left'])
      assert.ok(!alive(p.pid('left')))
    })

    test('kills a descendant that left the group, bears no mark and does not stop', async t => {
      const p = new Partition(t)
      const left = 'trap "" TERM; echo $$ >left; echo ready; exec sleep 1000'
      const child = await p.running({ grace: 400, run: sh(`setsid env -u WATCHBILL_DIR sh -c '${left}' & sleep 1000`) })
      await ready(p)
      child.kill('SIGTERM')
      await exitOf(child)
      assert.ok(!alive(p.pid('left')))
    })

    test('kills a process that was forked twice to get away', async t => {
      const p = new Partition(t)
      const child = await p.running({
        run: sh('(setsid sh -c "echo \\$\\$ >away; exec sleep 1000" &) ; exec sleep 1000'),
      })
      const away = await until('it got away', () => p.pid('away'))
      await until('its parent is gone', () => !proc(away, 'status').includes(`PPid:\t${p.pid()}\n`))
      child.kill('SIGTERM')
      await exitOf(child)
      assert.ok(!alive(away))
      assert.deepEqual(p.marked(), [])
    })

    test('takes a zombie in the group for gone', async t => {
      const p = new Partition(t)
      // A stranger by now, and no concern of the shepherd's: it leaves a child unreaped that it had in the group.
      const stranger = `sleep 0 & echo $$ >stranger; ${unmarked}; exec env -u WATCHBILL_MARK setsid sleep 1000`
      const child = await p.running({ grace: 8000, run: sh(`(sh -c '${stranger}' &) ; exec sleep 1000`) })
      const pid = await until('there is the stranger', () => p.pid('stranger'))
      t.after(() => kill(pid, 'SIGKILL'))
      await until('it left the group, and its child is a zombie', () => {
        const [zombie] = children(pid)
        return !environ(pid).some(text => text.startsWith('WATCHBILL_MARK=')) && zombie && !alive(zombie)
      })
      const asked = bootClock()
      child.kill('SIGTERM')
      await exitOf(child)
      assert.ok(bootClock() - asked < 7000)
      assert.equal(p.fact('status'), 'stopped: asked')
      assert.ok(alive(pid))
    })

    test('ends a partition only when a process whose name looks like a fact of /proc is gone', async t => {
      const p = new Partition(t)
      const name = 'a) Z 1 (b c'
      symlinkSync('/bin/sleep', join(p.dir, name))
      const child = await p.running({ policy: 'never', run: [`./${name}`, '1000'] })
      await until('it has its name', () => proc(p.pid(), 'comm') === `${name}\n`)
      child.kill('SIGHUP')
      child.kill('SIGINT')
      child.kill('SIGCHLD')
      child.kill('SIGTERM')
      await exitOf(child)
      assert.match(p.fact('exit') ?? '', /signal 15/)
    })

    test('dies with its process when it is killed', async t => {
      const p = new Partition(t)
      const child = await p.running({ run: stubborn })
      await ready(p)
      child.kill('SIGKILL')
      await gone(p.pid())
    })

    test('ignores HUP and INT', async t => {
      const p = new Partition(t)
      const child = await p.running({ run: forever })
      const timer = await until('it waits', () => children(child.pid as number).find(pid => pid !== p.pid()))
      child.kill('SIGHUP')
      child.kill('SIGINT')
      await until('it waits again', () => children(child.pid as number).some(pid => pid !== p.pid() && pid !== timer))
      assert.equal(child.exitCode, null)
      assert.ok(alive(p.pid()))
    })
  })

  describe('reading the lease', { concurrency: 16 }, () => {
    test('lets the process run for as long as the instance renews it', async t => {
      const p = new Partition(t)
      const guard = p.keepRenewed()
      const child = await p.running({ lease: 1500, grace: 500, run: forever })
      const pid = p.pid()
      await until('three leases have passed', () => bootClock() > p.own + 4500)
      assert.equal(p.pid(), pid)
      assert.ok(alive(pid))
      guard.kill('SIGKILL')
      await until('it is over', () => guard.signalCode)
      const renewed = Number(readFileSync(join(p.instance, 'lease'), 'utf8').split(' ')[1])
      const over = (await gone(pid)) - renewed
      assertTook(over, 1500)
      assert.equal(await exitOf(child), 0)
    })

    for (const [what, lease] of [
      ['is missing', null],
      ['is of another boot', () => `00000000-0000-4000-8000-000000000000 ${bootClock() + 700}\n`],
      ['is in the future', () => `${bootId()} ${bootClock() + 60_000}\n`],
      ['was not written to its end', () => `${bootId()} ${bootClock()}`],
      ['is empty', () => ''],
      ['is garbled', () => `${bootId()} 08$(exit)\n`],
      ['has a number too long', () => `${bootId()} 99999999999999999999999\n`],
      ['has too many words', () => `${bootId()} ${bootClock()} 1\n`],
      ['has two copies that differ', () => `${bootId()} ${bootClock()}\n${bootId()} ${bootClock() - 10}\n`],
    ] as const) {
      test(`counts its own lease when the instance's ${what}`, async t => {
        const p = new Partition(t)
        const child = await p.running({ lease: 2500, grace: 500, run: forever })
        const pid = p.pid()
        await until('the lease is half over', () => bootClock() > p.own + 500)
        if (lease) writeFileSync(join(p.instance, 'lease'), lease())
        const over = (await gone(pid)) - p.own
        assertTook(over, 2500)
        await exitOf(child)
        assert.equal(p.fact('status'), 'stopped: the lease is over')
        assert.deepEqual(p.output(), [])
      })
    }

    for (const [what, lease] of [
      ['is over', () => `${bootClock() - 5000} ${bootClock() - 5000}\n`],
      ['is in the future', () => `${bootClock() + 60_000} ${bootClock() + 60_000}\n`],
      ['was not written to its end', () => `${bootClock()} ${bootClock()}`],
      ['is empty', () => ''],
      ['has one number', () => `${bootClock()}\n`],
      ['has two copies that differ', () => `${bootClock()} ${bootClock()}\n${bootClock()} 1\n`],
      ['has three numbers', () => `${bootClock()} ${bootClock()} 1\n`],
      ['is octal', () => '010 010\n'],
      ['is no number', () => '1e9 08\n'],
      ['is negative', () => '-1 -1\n'],
      ['is a command', () => '$(echo 1) $((1/0))\n'],
      ['is too long', () => '1 99999999999999999999999\n'],
    ] as const) {
      test(`does not start the process when its own lease ${what}, and the instance has none`, async t => {
        const p = new Partition(t)
        p.acquire()
        p.write('lease', lease())
        const child = p.start({ lease: 5000, run: ['echo', 'started'] })
        assert.equal(await exitOf(child), 0)
        assert.equal(p.fact('status'), 'stopped: the lease is over')
        assert.equal(p.text('output'), '')
      })
    }

    test('does not count what the guard renewed before this acquisition was made', async t => {
      const p = new Partition(t)
      const child = await p.running({ lease: 2500, grace: 500, run: forever })
      const pid = p.pid()
      p.write('lease', `${p.own + 2000} ${p.own}\n`)
      writeFileSync(join(p.instance, 'lease'), `${bootId()} ${p.own + 1999}\n`)
      const over = (await gone(pid)) - p.own
      assertTook(over, 2500, 1900)
      assert.equal(await exitOf(child), 0)
    })

    test('stops the process when both leases turn to garbage', async t => {
      const p = new Partition(t)
      const child = await p.running({ lease: 2500, run: forever })
      p.write('lease', '09 x\n')
      writeFileSync(join(p.instance, 'lease'), `${bootId()} 09\n`)
      const over = (await gone(p.pid())) - p.own
      assert.ok(over < 2500 + slack, `after ${over} ms`)
      assert.equal(await exitOf(child), 0)
    })

    for (const [what, text] of [
      ['another', 'acquisition-2\n'],
      ['half written', 'acquisition-1'],
      ['empty', ''],
      ['longer', 'acquisition-11\n'],
    ] as const) {
      test(`does not start the process of an acquisition that is ${what}`, async t => {
        const p = new Partition(t)
        p.acquire()
        p.write('acquisition', text)
        p.own = bootClock()
        const child = p.start({ run: ['echo', 'started'] })
        assert.equal(await exitOf(child), 0)
        assert.equal(p.fact('status'), 'stopped: the acquisition is void')
        assert.equal(p.text('output'), '')
      })
    }

    test('stops the process of an acquisition that was replaced, although the lease goes on', async t => {
      const p = new Partition(t)
      p.keepRenewed()
      const child = await p.running({ lease: 1500, run: forever })
      p.acquire('acquisition-2')
      assert.equal(await exitOf(child), 0)
      assert.equal(p.fact('status'), 'stopped: the acquisition is void')
    })

    test('kills at once when it wakes up after lease + grace', async t => {
      const p = new Partition(t)
      const child = await p.running({ lease: 2000, grace: 500, stop: ['echo', 'stop command'], run: stubborn })
      await ready(p)
      const pid = p.pid()
      child.kill('SIGSTOP')
      await until('lease and grace are over', () => bootClock() > p.own + 2600)
      assert.ok(alive(pid))
      child.kill('SIGCONT')
      const woken = bootClock()
      assert.ok((await gone(pid)) - woken < slack)
      assert.equal(await exitOf(child), 0)
      assert.deepEqual(p.output(), ['ready'])
    })

    test('does not take the lease of the next acquisition for its own', async t => {
      const p = new Partition(t)
      const child = await p.running({ lease: 2000, grace: 500, run: stubborn })
      await ready(p)
      const pid = p.pid()
      child.kill('SIGSTOP')
      await until('lease and grace are over', () => bootClock() > p.own + 2600)
      p.acquire('acquisition-2')
      child.kill('SIGCONT')
      await gone(pid)
      assert.equal(await exitOf(child), 0)
      assert.deepEqual(p.output(), ['ready'])
      assert.equal(p.fact('status'), 'stopped: the acquisition is void')
    })

    test('uses what is left of the grace when it wakes up in the middle of it', async t => {
      const p = new Partition(t)
      const child = await p.running({ lease: 2000, grace: 2000, run: stubborn })
      await ready(p)
      const pid = p.pid()
      child.kill('SIGSTOP')
      await until('half of the grace is over', () => bootClock() > p.own + 3000)
      child.kill('SIGCONT')
      const killed = (await gone(pid)) - p.own
      assertTook(killed, 4000)
      assert.deepEqual(p.output(), ['ready', 'TERM'])
    })

    test('goes on when it was frozen and the lease was renewed meanwhile', async t => {
      const p = new Partition(t)
      const child = await p.running({ lease: 2000, grace: 200, run: forever })
      const pid = p.pid()
      child.kill('SIGSTOP')
      await until('lease and grace are over', () => bootClock() > p.own + 2400)
      const renewed = p.renew()
      child.kill('SIGCONT')
      const over = (await gone(pid)) - renewed
      assertTook(over, 2000)
    })
  })

  describe('beside others', { concurrency: 12 }, () => {
    test('is the only one of its partition', async t => {
      const p = new Partition(t)
      await p.running({ run: forever })
      const [shepherd, pid] = [p.fact('shepherd'), p.pid()]
      const second = p.start({ run: ['echo', 'started'] })
      assert.equal(await exitOf(second), 0)
      assert.deepEqual([p.fact('shepherd'), p.pid(), p.text('output')], [shepherd, pid, ''])
    })

    test('names itself and its process by pid and start time', async t => {
      const p = new Partition(t)
      const child = await p.running({ run: forever })
      const id = (pid: number) => `${pid} ${proc(pid, 'stat').replace(/.*\) /s, '').split(' ')[19]}`
      assert.equal(p.fact('shepherd'), id(child.pid as number))
      const [pid] = children(child.pid as number).filter(kid => proc(kid, 'cmdline') === 'sleep\x001000\0')
      assert.equal(p.fact('process'), id(pid as number))
      const [, , group, session] = proc(pid as number, 'stat')
        .replace(/.*\) /s, '')
        .split(' ')
        .map(Number)
      assert.deepEqual([group, session], [pid, pid])
    })

    test('keeps its lock to itself', async t => {
      const p = new Partition(t)
      const child = await p.running({ run: forever })
      await until('it waits', () => children(child.pid as number).length === 2)
      for (const pid of children(child.pid as number)) {
        await until('it is what it will be', () => proc(pid, 'comm') === 'sleep\n')
        const files = readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`))
        assert.ok(!files.some(file => file.endsWith('exclusive')), files.join(' '))
      }
      const files = readdirSync(`/proc/${p.pid()}/fd`).map(fd => readlinkSync(`/proc/${p.pid()}/fd/${fd}`))
      assert.deepEqual(files.slice(0, 3), ['/dev/null', join(p.dir, 'output'), join(p.dir, 'output')])
    })

    test('marks its process, and not itself, and hands its environment on as it came', async t => {
      const p = new Partition(t)
      const env = {
        WATCHBILL_DIR: p.dir,
        WATCHBILL_TOKEN: '7',
        PATH: '/nowhere',
        dir: 'd',
        status: 's',
        IFS: 'x',
        now: '08',
      }
      const child = await p.running({ shell: ['/bin/sh'], env, run: ['/bin/sleep', '1000'] })
      await until('it waits', () => children(child.pid as number).length === 2)
      for (const [name, value] of Object.entries(env)) {
        // A shell does not take IFS from its environment.
        if (name !== 'IFS') assert.ok(environ(p.pid()).includes(`${name}=${value}`), name)
      }
      assert.deepEqual(p.marked(), [p.pid()])
      child.kill('SIGTERM')
      assert.equal(await exitOf(child), 0)
      assert.equal(p.fact('status'), 'stopped: asked')
    })

    test('leaves its process the signals it had', async t => {
      const p = new Partition(t)
      await p.running({ run: forever })
      await until('it is what it will be', () => proc(p.pid(), 'comm') === 'sleep\n')
      assert.match(proc(p.pid(), 'status'), /SigIgn:\t0+\n/)
      assert.match(proc(p.pid(), 'status'), /SigBlk:\t0+\n/)
    })

    test('takes any name for a directory and any text for an argument', async t => {
      const p = new Partition(t, `-a b%2F'"$(x) ;rm *[a-z]?\\n`)
      const args = ['', ' ', `it's "quoted"`, '$(x) `y` $HOME', ';rm -rf', '*', '-n', '\\n', 'a\nb', 'ä']
      const child = await p.running({
        stop: ['printf', 'stop<%s>\n', ...args],
        run: sh('printf "<%s>\\n" "$@"; sleep 1000', ...args),
      })
      await until('it said all', () => p.text('output').includes('<ä>\n'))
      child.kill('SIGTERM')
      assert.equal(await exitOf(child), 0)
      assert.equal(p.text('output'), [...args.map(arg => `<${arg}>\n`), ...args.map(arg => `stop<${arg}>\n`)].join(''))
      assert.deepEqual(p.marked(), [])
    })

    test('does not take a partition whose name begins like its own for its own', async t => {
      const p = new Partition(t, 'p1')
      const q = new Partition(t, 'p1')
      const sibling = { pid: 0 }
      await q.running({ run: forever })
      sibling.pid = q.pid()
      const name = `env WATCHBILL_MARK=${p.mark.slice(1)} WATCHBILL_DIR=${p.dir}0`
      await p.running({ run: sh(`(${unmarked}; exec ${name} setsid sleep 1000) & echo $! >like; sleep 1000`) })
      const like = await until('there is one', () => p.pid('like'))
      t.after(() => kill(like, 'SIGKILL'))
      kill(p.pid(), 'SIGKILL')
      await until('it was restarted', () => p.fact('restarts') === '1')
      assert.ok(alive(like))
      assert.ok(alive(sibling.pid))
    })

    /** What a kill for memory leaves: the kernel's counter, which limit it is of, and what a guard has counted already. */
    type Kill = { counter: string; limit?: false; counted?: string; says: string }
    const own = ', out of memory: more than its memory limit of 1 MB'
    const around = ', out of memory: the machine, or a control group around its own, had none left'
    const now = Math.floor(Date.now() / 1000)
    const kills: Record<string, Kill> = {
      'its own limit, version 1': { counter: 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n', says: own },
      'its own limit, version 2': { counter: 'max 3\noom 1\noom_kill 1\noom_group_kill 1\n', says: own },
      'a limit above its own': { counter: 'max 0\noom 0\noom_kill 1\n', says: around },
      'the memory of the machine, without a limit': { counter: 'oom 0\noom_kill 1\n', limit: false, says: around },
      'what a guard has counted just before': { counter: 'oom_kill 1\n', counted: `1 ${now + 60}\n`, says: own },
      'nothing: the guard has counted it long before': { counter: 'oom_kill 1\n', counted: '1 1000000000\n', says: '' },
      'nothing: it was there before the start': { counter: 'oom_kill 1\n', counted: '1 0\n', says: '' },
      'nothing: the counter is garbled': { counter: 'oom_kill many\n\u0000\n', says: '' },
    }
    for (const [what, { counter, limit, counted, says }] of Object.entries(kills)) {
      test(`says what its process was killed for: ${what}`, async t => {
        const p = new Partition(t)
        const group = join(p.instance, 'group')
        mkdirSync(group)
        for (const file of ['cgroup.procs', 'cgroup.events', 'memory.events']) writeFileSync(join(group, file), '')
        p.write('group', `${group}\n`)
        if (limit !== false) p.write('limits', `oom ${group}/memory.events its memory limit of 1 MB\n`)
        if (counted !== undefined) p.write('oom', counted)
        writeFileSync(join(group, 'next'), counter)
        const run = sh('mv "$1/next" "$1/memory.events"; kill -KILL $$', group)
        assert.equal(await exitOf(p.start({ policy: 'never', run })), 0)
        assert.equal(p.fact('status'), `finished: exit 137 (signal 9)${says}`)
        assert.equal(
          /^1 \d{10,}$/.test(p.fact('oom') ?? ''),
          says !== '' || (counted !== undefined && counted !== '1 0\n'),
        )
      })
    }

    test('finishes on a full disk', async t => {
      const p = new Partition(t)
      symlinkSync('/dev/full', join(p.dir, 'status'))
      assert.equal(await exitOf(p.start({ policy: 'never', run: ['echo', 'run'] })), 0)
      assert.deepEqual(p.output(), ['run'])
    })

    test('does its work on a full disk', async t => {
      const p = new Partition(t)
      for (const fact of ['shepherd', 'process', 'status', 'exit', 'restarts'])
        symlinkSync('/dev/full', join(p.dir, fact))
      const child = p.start({ run: sh('echo run; [ $(wc -l <output) -ge 3 ] || exit 1; echo ready; exec sleep 1000') })
      await ready(p)
      const pids = p.marked()
      assert.equal(pids.length, 1)
      child.kill('SIGTERM')
      assert.equal(await exitOf(child), 0)
      assert.deepEqual(p.marked(), [])
    })

    test('stops its process when its directory is removed', async t => {
      const p = new Partition(t)
      const child = await p.running({ lease: 2000, run: forever })
      const pid = p.pid()
      rmSync(p.dir, { recursive: true })
      assert.equal(await exitOf(child), 0)
      assert.ok(!alive(pid))
    })

    test('may be replaced while it runs', async t => {
      const p = new Partition(t)
      const script = join(p.instance, 'shepherd.sh')
      writeFileSync(script, readFileSync(shepherdFile))
      const child = await p.running({ script, run: forever })
      writeFileSync(script, 'syntax error (')
      child.kill('SIGTERM')
      assert.equal(await exitOf(child), 0)
      assert.equal(p.fact('status'), 'stopped: asked')
      assert.match(p.fact('exit') ?? '', /^exit 143 /)
    })

    test('sleeps: it wakes once a lease', async t => {
      const p = new Partition(t)
      p.keepRenewed()
      const child = await p.running({ lease: 1000, run: forever })
      const timers = new Set<number>()
      await until('five seconds have passed', () => {
        for (const pid of children(child.pid as number)) if (pid !== p.pid()) timers.add(pid)
        return bootClock() > p.own + 5000
      })
      assert.ok(timers.size >= 4 && timers.size <= 8, `${timers.size} timers`)
    })
  })
})

after(() => {
  for (const pid of strays()) kill(pid, 'SIGKILL')
})
