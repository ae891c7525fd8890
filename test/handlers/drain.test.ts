import assert from 'node:assert/strict'
import { it } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { runProgram } from './support/programs.ts'

const keys = keysOf('svc')

it('says in a dry run what it would do, also of an instance that is drained and gone', async t => {
  const { consul, memory } = await fakeConsul(t)
  memory.put(keys.revision, '{}')
  memory.put(keys.settings, '{"drained":["a:svc"],"held":[],"epoch":0}')
  const run = async (...words: string[]) => {
    const args = ['svc', ...words, '--http-addr', consul.address.origin]
    const { code, stdout, stderr } = await runProgram('drain', { args, stdin: '' })
    return { code, said: (stdout + stderr).trim() }
  }
  assert.deepEqual(await run('a:svc', 'off', '--dry-run'), { code: 0, said: 'a:svc would be not drained' })
  assert.deepEqual(await run('b:svc', 'off', '--dry-run'), { code: 0, said: 'b:svc would be not drained, as before' })
  assert.deepEqual(await run('b:svc', 'on', '--dry-run'), {
    code: 100,
    said: 'drain: permanent: cannot drain b:svc: svc has no such instance; there are: none',
  })
  assert.deepEqual(await run('a:svc', 'off'), { code: 0, said: 'a:svc is not drained' })
  assert.deepEqual(memory.value(keys.settings), { drained: [], held: [], epoch: 0 })
})
