import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { definition, heldBy, me, other } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { runProgram } from './support/programs.ts'

const keys = keysOf('svc')

/** Two members, of which one holds `0`; `1` is free; the lock of `2` says another name than its session's. */
async function service(t: TestContext) {
  const fake = await fakeConsul(t)
  const { memory, requests, consul } = fake
  for (const [instance, node] of [
    [me, 'a'],
    [other, 'b'],
  ] as const) {
    memory.session(`session of ${node}`, node, `watchbill ${instance}`)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    memory.lock(keys.member(instance), `session of ${node}`, memberValue(node, definition, 'digest'))
  }
  memory.put(keys.revision, '{}')
  for (const id of ['0', '1', '2']) memory.put(keys.partition(id), '{"from":"hand"}')
  memory.lock(keys.lock('0'), 'session of a', heldValue(heldBy(me)))
  memory.put(keys.lock('1'), '{"clean":true}')
  memory.lock(keys.lock('2'), 'session of b', heldValue(heldBy(me)))
  const run = async (name: string, ...words: string[]) => {
    const before = requests.length
    const { code, stdout, stderr } = await runProgram(name, {
      args: ['svc', ...words, '--http-addr', consul.address.origin],
      stdin: '',
    })
    const lists = requests.slice(before).filter(({ path, body }) => {
      const asked = `${path} ${body}`
      return asked.includes(`"get-tree","Key":"${keys.locks}"`) || asked.includes(`${keys.partitions}?keys`)
    })
    return { code, said: (stdout + stderr).trim(), lists: lists.length }
  }
  return { ...fake, run }
}

describe('without a list of all partitions', () => {
  it('owner says who has one, when its lock and that member agree', async t => {
    const { run } = await service(t)
    assert.deepEqual(await run('owner', '0'), { code: 0, said: me, lists: 0 })
  })

  it('restart says whom it would ask', async t => {
    const { run } = await service(t)
    assert.deepEqual(await run('restart', '0', '2', '--dry-run'), {
      code: 0,
      said: `${me}: would restart 0\n${other}: would restart 2`,
      lists: 0,
    })
  })

  it('restart refuses what is no partition, or has no key, or is not run', async t => {
    const { run } = await service(t)
    for (const id of ['7', 'x'.repeat(300)]) {
      const { code, said } = await run('restart', id, '--dry-run')
      assert.equal(code, 100)
      assert.match(said, /has no such partition/)
    }
    assert.match((await run('restart', '1', '--dry-run')).said, /nobody runs it/)
  })

  it('drain knows its instances', async t => {
    const { run } = await service(t)
    assert.deepEqual(await run('drain', me, '--dry-run'), { code: 0, said: `${me} would be drained`, lists: 0 })
  })

  it('and what may not be read is a refusal', async t => {
    const { run, memory } = await service(t)
    memory.denied = key => key.startsWith(keys.members)
    for (const [name, ...args] of [
      ['owner', '0'],
      ['restart', '0', '--dry-run'],
      ['drain', me, '--dry-run'],
    ] as const) {
      const { code, said } = await run(name, ...args)
      assert.equal(code, 100)
      assert.match(said, /permission/)
    }
  })
})

describe('owner looks at everything', () => {
  it('where the lock names another than its session is', async t => {
    const { run } = await service(t)
    const { code, said, lists } = await run('owner', '2')
    assert.deepEqual([code, said], [0, other])
    assert.ok(lists > 0)
  })

  it('where nobody has it, to say why', async t => {
    const { run } = await service(t)
    const { code, said } = await run('owner', '1')
    assert.equal(code, 1)
    assert.match(said, /^nobody: starting: on /)
  })

  it('where there is no such', async t => {
    const { run } = await service(t)
    for (const id of ['7', 'x'.repeat(300)]) {
      const { code, said } = await run('owner', id)
      assert.equal(code, 100)
      assert.match(said, /has no such/)
    }
  })
})
