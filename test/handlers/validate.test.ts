import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { whyNotRun } from '../../lib/machine/may-run.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'
import { runProgram } from './support/programs.ts'

const right = { name: 'svc', partitions: { range: [0, 3] }, run: { command: ['/bin/sleep', '1000'] } }

function write(folder: string, definition: unknown, name = 'svc.json'): string {
  const file = join(folder, name)
  writeFileSync(file, typeof definition === 'string' ? definition : JSON.stringify(definition))
  return file
}

/** Far from any Consul, unless an address is given. */
function validate(t: TestContext, args: readonly string[], env: Record<string, string> = {}) {
  const folder = directory(t)
  const more = ['--state', folder, '--consul-dir', folder]
  return runProgram('validate', { args: [...args, ...more], env: { CONSUL_HTTP_ADDR: '127.0.0.1:1', ...env } })
}

describe('validate', { concurrency: 2 }, () => {
  it('says what is right, and that Consul was not asked', async t => {
    const { code, stdout, stderr } = await validate(t, [write(directory(t), right)])
    assert.deepEqual([code, stderr], [111, ''])
    assert.match(stdout, /^ok: {5}\/.*svc\.json fits the schema;/m)
    assert.match(stdout, /^ok: {5}the commands of svc are there, and user \d+ may run them$/m)
    assert.match(stdout, /^warn: {3}what depends on Consul is not known: cannot reach Consul/m)
    assert.doesNotMatch(stdout, /^wrong/m)
  })

  const wrongs: [string, unknown, RegExp][] = [
    ['what is no JSON', '{', /^wrong: {2}cannot use the definition .*svc\.json: line 1/m],
    ['a field that there is not', { ...right, runs: 1 }, /^wrong: {2}.*svc\.json: runs/m],
    [
      'a placeholder',
      { ...right, run: { command: ['/bin/echo', '{partitoin}'] } },
      /^wrong: {2}.*write \{partition\}/m,
    ],
    ['times', { ...right, lease: '2s' }, /^wrong: {2}.*lease/m],
    [
      'a command',
      { ...right, run: { command: ['/nonexistent/x'] } },
      /^wrong: {2}run\.command of svc: \/nonexistent\/x is no/m,
    ],
  ]
  for (const [what, definition, about] of wrongs)
    it(`finds ${what} that is wrong`, async t => {
      const { code, stdout } = await validate(t, [write(directory(t), definition)])
      assert.equal(code, 100, stdout)
      assert.match(stdout, about)
    })

  it('finds every wrong file of a directory, and what two have in common', async t => {
    const folder = directory(t)
    write(folder, right, 'a.json')
    write(folder, { ...right, name: 'other', id: 'svc' }, 'b.json')
    write(folder, '{', 'c.json')
    const { code, stdout } = await validate(t, [], { WATCHBILL_CONFIG: folder })
    assert.equal(code, 100)
    assert.match(stdout, /^wrong: .*c\.json: line 1/m)
    assert.match(stdout, /^wrong: .*b\.json: id: .*a\.json has svc too/m)
  })

  it('says what it would change in the cluster', async t => {
    const served = await fakeConsul(t)
    const { consul, memory } = served
    const self = { Config: { NodeName: 'node1', Version: '1.8.7' } }
    served.script = ({ path }) => {
      if (path === '/v1/agent/self') return { text: JSON.stringify(self) }
      return path === '/v1/agent/services' ? { text: '{}' } : undefined
    }
    const fake = { CONSUL_HTTP_ADDR: consul.address.origin }
    const file = write(directory(t), right)
    const fresh = await validate(t, [file, '--json'], fake)
    assert.deepEqual(JSON.parse(fresh.stdout).cluster[0].isNew, true, fresh.stdout)
    memory.put('watchbill/svc/spec/revision', '{}')
    for (const id of ['2', '3', '4']) memory.put(`watchbill/svc/partition/${id}`, '{"from":"definition"}')
    const { cluster } = JSON.parse((await validate(t, [file, '--json'], fake)).stdout)
    assert.deepEqual([cluster[0].added, cluster[0].removed], [['0', '1'], ['4']])
    assert.match((await validate(t, [file], fake)).stdout, /^svc: no longer in its set: 4; .*partitions svc apply$/m)
  })

  it('changes nothing', async t => {
    const { consul, requests } = await fakeConsul(t)
    await validate(t, [write(directory(t), right)], { CONSUL_HTTP_ADDR: consul.address.origin })
    const writes = requests.filter(({ method, path }) => method !== 'GET' && !path.startsWith('/v1/txn?consistent'))
    assert.deepEqual(
      writes.filter(({ path }) => !path.startsWith('/v1/txn')),
      [],
    )
  })
})

describe('whether a user may run a program', () => {
  const stranger = { uid: 54_321, groups: [54_321] }
  const program = (t: TestContext, text = '') => {
    const folder = directory(t)
    chmodSync(folder, 0o755)
    mkdirSync(join(folder, 'in'))
    const file = join(folder, 'in', 'program')
    writeFileSync(file, text, { mode: 0o755 })
    chmodSync(file, 0o755)
    return { file, folder: join(folder, 'in') }
  }

  it('depends on the bits of the file, and of each directory', t => {
    const { file, folder } = program(t)
    assert.equal(whyNotRun(file, stranger), null)
    chmodSync(file, 0o750)
    assert.equal(whyNotRun(file, stranger), 'user 54321 may not execute it')
    assert.equal(whyNotRun(file, { uid: 54_321, groups: [process.getgid?.() ?? 0] }), null)
    chmodSync(file, 0o755)
    chmodSync(folder, 0o700)
    assert.equal(whyNotRun(file, stranger), `user 54321 may not enter ${folder}`)
    assert.equal(whyNotRun(file, { uid: 0, groups: [0] }), null)
  })

  it('and for a script on reading it, and on what its first line names', t => {
    const { file } = program(t, '#!/bin/sh\n')
    assert.equal(whyNotRun(file, stranger), null)
    chmodSync(file, 0o711)
    assert.equal(whyNotRun(file, stranger), 'it is a script, and user 54321 may not read it')
    const other = program(t, '#! /nonexistent/sh -e\n').file
    assert.equal(whyNotRun(other, stranger), 'its first line names /nonexistent/sh, which is no program here')
  })
})
