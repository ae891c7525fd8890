import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'
import { runProgram } from './support/programs.ts'

const inputs = { 'on-service': '[]', 'on-keyprefix': 'null', 'on-checks': '[]', reconcile: '' }

for (const [program, stdin] of Object.entries(inputs)) {
  test(`${program} --dry-run writes nothing, whether there is a state directory or not`, async t => {
    const { consul, requests } = await fakeConsul(t)
    const folder = directory(t)
    const [definition, state] = [join(folder, 'svc.json'), join(folder, 'state')]
    writeFileSync(definition, '{"name":"svc","partitions":{"list":["x"]},"run":{"command":["/bin/true"]}}')
    const own = ['--instance', 'a:svc', '--service', 'svc', '--definition', definition, '--state', state]
    const args = [...own, '--http-addr', consul.address.origin, '--dry-run']
    const dry = () => runProgram(program, { args, stdin })
    const without = await dry()
    assert.deepEqual({ code: without.code, stderr: without.stderr }, { code: 0, stderr: '' })
    assert.match(without.stdout, /a:svc: would do: /)
    assert.equal(existsSync(state), false)
    mkdirSync(join(state, 'a:svc'), { recursive: true })
    assert.equal((await dry()).stdout, without.stdout)
    assert.deepEqual(readdirSync(join(state, 'a:svc')), [])
    const reads = /^(get|get-tree|check-index|check-session|check-not-exists)$/
    for (const { method, path, operations } of requests) {
      assert.ok(
        method === 'GET' || /^\/v1\/(txn\?consistent|internal\/acl\/authorize)$/.test(path),
        `${method} ${path}`,
      )
      for (const { Verb } of operations) assert.match(Verb, reads)
    }
    writeFileSync(definition, '{')
    const wrong = await dry()
    assert.equal(wrong.code, 100)
    assert.match(wrong.stderr, new RegExp(`^${program}: permanent: cannot use the definition [^\\n]*\\n$`))
    assert.deepEqual(readdirSync(join(state, 'a:svc')), [])
  })
}
