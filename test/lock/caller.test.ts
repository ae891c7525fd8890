/** What the caller of a release's programs had set, and Node does not leave as it was. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { before, describe, it } from 'node:test'
import { makeRelease } from '../../lib/setup/release/release.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { lives } from '../handlers/support/processes.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { home, install } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { type HowToLock, Locker, under } from './locker.ts'

const broken = '--require /gone.js'
const cluster = sharedCluster({ clients: 0, env: { NODE_OPTIONS: broken, NODE_ICU_DATA: '/gone' } })
const agent = () => cluster().agent('s1')
const hard = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()

let watchbill = ''
before(async () => {
  const { programs } = await makeRelease({ home, node: 'include', dryRun: false })
  watchbill = `${programs}/watchbill`
})

/** A shell that sets something, and becomes `watchbill lock`. */
function lock(setting: string, args: string[], how: HowToLock = {}): Locker {
  return new Locker(agent(), args, { ...how, program: ['/bin/sh', '-c', `${setting}; exec "$0" lock "$@"`, watchbill] })
}

describe('lock, from a release', { concurrency: 3 }, () => {
  it('goes on when its terminal goes, under nohup, and so does its command', async t => {
    const script = 'echo there; while :; do sleep 0.1; done'
    const locker = lock('trap "" HUP', ['nohup', '--', 'sh', '-c', script])
    t.after(() => locker.kill('SIGKILL'))
    await locker.said('there')
    const [command] = under(agent(), 'nohup')
    const waiter = lock('trap "" HUP', ['nohup', '--verbose', '--', 'echo', 'its turn'])
    await waiter.said('waiting')
    for (const pid of [locker.pid, command as number, waiter.pid]) process.kill(pid, 'SIGHUP')
    // The signals arrive in their order.
    locker.kill('SIGTERM')
    assert.equal((await locker.ended).code, 143, 'and not 129')
    await until('the command to be gone', () => !lives(command as number))
    assert.equal((await waiter.ended).stdout, 'its turn\n')
  })

  it('gets SIGHUP otherwise', async () => {
    const locker = lock(':', ['no-nohup', '--', 'sh', '-c', 'echo there; exec sleep 100'])
    await locker.said('there')
    locker.kill('SIGHUP')
    assert.equal((await locker.ended).code, 129)
  })

  it('leaves the command its limit of open files', async () => {
    const { stdout } = await lock('ulimit -Sn 321', ['limit', '--', 'sh', '-c', 'ulimit -Sn; ulimit -Hn']).ended
    assert.equal(stdout, `321\n${hard}\n`)
  })

  it('is not disturbed by NODE_OPTIONS, which the command has', async () => {
    const script = 'echo "$NODE_OPTIONS|$NODE_ICU_DATA|"; env | grep -c WATCHBILL_CALLER'
    const { stdout, stderr } = await lock(':', ['options', '--', 'sh', '-c', script]).ended
    assert.deepEqual([stdout, stderr], [`${broken}|/gone|\n0\n`, ''])
  })
})

it('an agent’s NODE_OPTIONS breaks no program, and its limit of open files is that of partitions', async () => {
  execFileSync('prlimit', ['--pid', `${agent().pid}`, `--nofile=432:${hard}`])
  const command = ['sh', '-c', 'ulimit -Sn; ulimit -Hn; echo "$NODE_OPTIONS."; exec sleep 100']
  const definition = { name: 'limits', partitions: { list: ['p'] }, run: { command } }
  const instance = await install(agent(), definition)
  const { output } = instanceFiles(agent().state, instance).partition('p')
  const said = await until(
    'the process to say it',
    see => {
      const text = see(readFileSync(output, 'utf8'))
      return text.endsWith('.\n') && text
    },
    { deadline: 30_000 },
  )
  assert.equal(said, `432\n${hard}\n.\n`)
})
