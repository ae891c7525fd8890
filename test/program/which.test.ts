import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { keysOf } from '../../lib/base/names.ts'
import { shellWord } from '../../lib/base/printable.ts'
import { changePins, pinnedNow } from '../../lib/operate/pin.ts'
import { runningNow } from '../../lib/operate/restart.ts'
import { mustName, whichPartitions, wholeSet } from '../../lib/program/which.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { runProgram } from '../handlers/support/programs.ts'
import { serviceIn } from '../page/page.ts'

const keys = keysOf('svc')

async function set(t: TestContext) {
  const fake = await fakeConsul(t)
  fake.memory.put(keys.revision, '{}')
  for (const id of ['eu-1', 'eu-2', 'us-1', 'a*b']) fake.memory.put(keys.partition(id), '{"from":"hand"}')
  return fake
}

it('names are taken as they are, and Consul is not asked', async t => {
  const { consul, requests } = await set(t)
  const named = ['none', 'eu-1', 'none']
  assert.deepEqual(await whichPartitions(consul, { service: 'svc', named, all: false }, wholeSet), ['none', 'eu-1'])
  assert.equal(requests.length, 0)
})

it('a pattern means the partitions that fit, a name with a star that partition, --all everything', async t => {
  const { consul } = await set(t)
  const which = (named: string[], all = false) => whichPartitions(consul, { service: 'svc', named, all }, wholeSet)
  assert.deepEqual(await which(['eu-*', 'us-1', 'eu-1']), ['eu-1', 'eu-2', 'us-1'])
  assert.deepEqual(await which(['a*b']), ['a*b'])
  assert.deepEqual((await which([], true)).length, 4)
  await assert.rejects(
    which(['asia-*']),
    /none that this could be done with fits asia-\*; see watchbill partitions svc$/,
  )
})

it('something must be named, and --all stands alone', () => {
  assert.throws(() => mustName({ named: [], all: false }), /no partition is named/)
  assert.throws(() => mustName({ named: ['7'], all: true }), /--all means every partition/)
  mustName({ named: [], all: true })
})

it('restart and unpin choose from what they can act on', async t => {
  const { consul, memory } = await serviceIn(t)
  memory.put(keys.partition('idle'), '{"from":"hand"}')
  assert.deepEqual((await runningNow(consul, 'svc')).toSorted(), ['0', '1'])
  await changePins(consul, { service: 'svc', partitions: ['1'], instance: 'a:svc', dryRun: false })
  assert.deepEqual(await pinnedNow(consul, 'svc'), ['1'])
})

it('hold of a pattern holds all that fit, says how many, and unhold --all lets go what is held', async t => {
  const { consul } = await set(t)
  const run = (program: string, ...args: string[]) =>
    runProgram(program, { args: ['svc', ...args, '--http-addr', consul.address.origin] })
  const held = await run('hold', 'eu-*')
  assert.deepEqual([held.code, held.stdout, held.stderr], [0, 'held: eu-1, eu-2\n', '2 partitions fit\n'])
  assert.equal((await run('unhold', '--all', '--dry-run')).stdout, 'would be let go: eu-1, eu-2\n')
  assert.equal((await run('unhold', '--all')).stdout, 'let go: eu-1, eu-2\n')
})

it('somebody at a terminal is asked whether so many are meant', async t => {
  const { consul, memory } = await set(t)
  const handler = join(import.meta.dirname, '../../handlers/hold.ts')
  const typed = async (answer: string, ...args: string[]) => {
    const words = [process.execPath, handler, 'svc', ...args, '--http-addr', consul.address.origin]
    const command = words.map(shellWord).join(' ')
    return execa('script', ['-qec', command, '/dev/null'], { input: answer, reject: false })
  }
  const no = await typed('n\n', 'eu-*')
  assert.match(no.stdout, /hold 2 partitions of svc: eu-1, eu-2\? \[y\/N\][\s\S]*permanent: cannot hold: not confirmed/)
  assert.deepEqual([no.exitCode, memory.below(keys.settings).length > 0], [100, false])
  assert.match((await typed('', 'eu-*', '--yes')).stdout, /held: eu-1, eu-2/)
  assert.match((await typed('', 'eu-1', 'eu-2')).stdout, /all were so before/)
})
