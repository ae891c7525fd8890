import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { asCalled, callersEnvironment, ignoredSignals } from '../../lib/machine/caller.ts'

const run = (env: Record<string, string>, ...command: [string, ...string[]]) => {
  const [file, ...args] = asCalled(command, env)
  return execFileSync(file, args, { encoding: 'utf8' })
}
const ignoredBy = (text: string) => BigInt(`0x${/SigIgn:\s*(\S+)/.exec(text)?.[1]}`)

describe('what is started', () => {
  it('is the command itself when nothing is to be restored', () => {
    assert.deepEqual(asCalled(['a', '$(b)'], {}), ['a', '$(b)'])
    assert.deepEqual(asCalled(['a'], { WATCHBILL_CALLER_NOFILE: 'reboot', WATCHBILL_CALLER_IGNORED: '$(reboot)' }), [
      'a',
    ])
  })

  it('has the soft limit that came in, and the hard one', () => {
    const hard = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' })
    assert.equal(run({ WATCHBILL_CALLER_NOFILE: '321' }, 'sh', '-c', 'ulimit -Sn; ulimit -Hn'), `321\n${hard}`)
  })

  it('ignores what was ignored, and nothing else', () => {
    const status = ['grep', 'SigIgn', '/proc/self/status'] as const
    assert.equal(ignoredBy(run({}, ...status)) & 0xffffn, 0n)
    assert.equal(ignoredBy(run({ WATCHBILL_CALLER_IGNORED: '0000000000000003' }, ...status)) & 0xffffn, 3n)
  })

  it('finds its arguments as they are', () => {
    const odd = ['$(id)', "'", '', '-x', 'a b', '日本']
    const env = { WATCHBILL_CALLER_NOFILE: '321', WATCHBILL_CALLER_IGNORED: '1' }
    assert.equal(run(env, 'printf', '[%s]', ...odd), odd.map(word => `[${word}]`).join(''))
  })

  it('finds the environment that came in', () => {
    const given = { PATH: '/bin', WATCHBILL_CALLER_NODE_OPTIONS: '--inspect', WATCHBILL_CALLER_NOFILE: '1' }
    assert.deepEqual(callersEnvironment(given), { PATH: '/bin', NODE_OPTIONS: '--inspect' })
    assert.deepEqual(callersEnvironment({ PATH: '/bin' }), { PATH: '/bin' })
  })
})

it('signals are numbered from 1, and nobody can ignore two of them', () => {
  assert.deepEqual(ignoredSignals({ WATCHBILL_CALLER_IGNORED: '0000000180000006' }), [2, 3])
  assert.deepEqual(ignoredSignals({ WATCHBILL_CALLER_IGNORED: '0000000000041101' }), [1, 13])
  assert.deepEqual(ignoredSignals({}), [])
})
