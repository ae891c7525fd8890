/** What the programs say and refuse, as black boxes. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { directory } from '../fixtures/state.ts'
import { runProgram } from '../handlers/support/programs.ts'
import { keys, type Stage, settingsFile, stage } from './cluster.ts'

settingsFile()

function run(t: TestContext, { fake }: Stage, program: string, ...args: string[]) {
  const env = {
    CONSUL_HTTP_ADDR: fake.consul.address.origin,
    WATCHBILL_POWER_OFF: process.env.WATCHBILL_POWER_OFF ?? '',
  }
  return runProgram(program, { args, env: { ...env, WATCHBILL_STATE: directory(t) } })
}

const survivor = ['--instance', 'a:svc', '--service', 'svc', '--definition', '/nowhere']

describe('evict --is-off', { concurrency: 2 }, () => {
  const refused: [args: string[], about: RegExp][] = [
    [['--node', 'b', '--is-off', '--yes'], /cannot ask: there is no terminal; say --yes-it-is-off b$/],
    [['--node', 'b', '--is-off', '--yes-it-is-off', 'c'], /cannot take b for off: not confirmed$/],
    [['--node', 'b', '--yes-it-is-off', 'b'], /--yes-it-is-off needs --is-off; see --help$/],
    [['svc', 'b:svc', '--is-off'], /--is-off and --acknowledge need --node; see --help$/],
    [
      ['--node', 'c', '--is-off', '--force', '--yes-it-is-off', 'c'],
      /cannot take c for off: its agent answers the others/,
    ],
    [['--node', 'b', '--acknowledge'], /cannot acknowledge b: nobody has powered it off/],
  ]
  for (const [args, about] of refused)
    it(`is refused: ${args.join(' ')}`, async t => {
      const one = await stage(t)
      one.fail()
      const { code, stdout, stderr } = await run(t, one, 'evict', ...args)
      assert.deepEqual([code, stdout], [100, ''])
      assert.match(stderr.trimEnd(), about)
      assert.equal(one.lock('0').clean, false)
    })

  it('says with --dry-run what would become clean', async t => {
    const one = await stage(t)
    one.fail()
    const { code, stdout } = await run(t, one, 'evict', '--node', 'b', '--is-off', '--dry-run')
    assert.deepEqual([code, stdout], [0, 'would evict b (b:svc), and b from Consul; 3 locks of svc become clean\n'])
    assert.equal(one.lock('0').clean, false)
  })
})

describe('evict --acknowledge', () => {
  it('forgets what became of a machine', async t => {
    const one = await stage(t)
    one.fail()
    await one.power()
    const { code, stdout } = await run(t, one, 'evict', '--node', 'b', '--acknowledge')
    assert.equal(code, 0)
    assert.match(stdout, /^forgot that a:svc declared b off at /)
    assert.equal(one.record(), null)
  })
})

describe('power --dry-run', () => {
  it('says what it waits for, and changes nothing', async t => {
    const one = await stage(t)
    one.fail()
    const { code, stdout } = await run(t, one, 'power', ...survivor, '--dry-run')
    assert.deepEqual([code, stdout], [0, 'would wait: b: it failed less than 1 s ago\n'])
    assert.equal(one.record(), null)
    one.memory.put(keys.freeze, JSON.stringify({ frozen: true, by: 'hand', since: '' }))
    const frozen = await run(t, one, 'power', ...survivor, '--dry-run')
    assert.equal(frozen.stdout, 'would do nothing; b: svc is frozen\n')
  })
})
