/** doctor as a black box, against a good agent and a bad one. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { guarded, letAgents, rulesFor, tokenFor, without } from '../access/lab.ts'
import { settled, stage } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { configure, install } from '../lab/install.ts'
import { runProgram } from './support/programs.ts'

const doctor = (agent: Agent, ...args: string[]) =>
  runProgram('doctor', { args: ['--consul-dir', agent.configDir, '--http-addr', agent.http, ...args] })

interface Finding {
  level: string
  sentence: string
}

async function findings(
  agent: Agent,
  ...args: string[]
): Promise<{ code: number | null; bad: string[]; all: Finding[] }> {
  const { code, stdout, stderr } = await doctor(agent, '--json', ...args)
  assert.equal(stderr, '')
  const all: Finding[] = JSON.parse(stdout)
  return { code, all, bad: all.flatMap(({ level, sentence }) => (level === 'ok' ? [] : [`${level}: ${sentence}`])) }
}

const encrypt = Buffer.alloc(32, 'k').toString('base64')

describe('doctor', () => {
  it('finds nothing wrong with a good agent, and everything with one that was spoilt', async t => {
    const cluster = await clusterFor(t, guarded({ clients: 0, settings: { encrypt } }))
    const [agent] = cluster.agents as [Agent]
    await letAgents(agent, ['work'])
    const token = await tokenFor(agent, rulesFor('policy', 'work'))
    const reader = await tokenFor(agent, rulesFor('read-only', 'work'))
    const work = stage(cluster, 'work', 'quiet', { partitions: { range: [0, 1] } })
    await install(agent, work.definition, '--token-file', token.file)
    await settled(work, [agent])
    chmodSync(agent.state, 0o700)
    // As docs/access.md has it: no --node, and the instance's own token.
    const asked = ['--http-addr', agent.http, '--token-file', token.file]
    const configureAs = () => runProgram('configure', { args: [join(agent.etc, 'work.json'), '--stdout', ...asked] })
    const own = await configureAs()
    assert.deepEqual([own.code, own.stderr], [0, ''])
    assert.match(own.stdout, /"s1:work"/)
    await token.may(without(rulesFor('policy', 'work'), 'agent_prefix'))
    const { code: denied, stderr } = await configureAs()
    assert.equal(denied, 100)
    assert.match(
      stderr,
      /^configure: permanent: cannot ask for this node's name: .* missing permission: agent:read on this node; .*, or give --node NAME\n$/,
    )
    await token.may(rulesFor('policy', 'work'))
    const look = () => findings(agent, '--token-file', reader.file)

    const { code, bad, all } = await look()
    // What the machine itself is like is not the agent's doing.
    assert.deepEqual(
      bad.filter(line => !/setpriv|MiB free|KillMode|unit/.test(line)),
      [],
    )
    assert.equal(code, bad.some(line => line.startsWith('unsafe')) ? 100 : 0)
    assert.ok(all.some(({ sentence }) => sentence === 'the token of work may do all that it must'))
    assert.ok(all.some(({ sentence }) => sentence === 'Consul 1.8.7' || /^Consul \d/.test(sentence)))

    const has = async (line: RegExp) => {
      const { code, bad } = await look()
      assert.ok(
        bad.some(one => line.test(one)),
        bad.join('\n'),
      )
      assert.equal(code, bad.some(one => one.startsWith('unsafe')) ? 100 : 0)
    }
    await token.may(without(rulesFor('policy', 'work'), 'session_prefix'))
    await has(/^unsafe: the token of work lacks session:write on s1$/)
    chmodSync(token.file, 0o644)
    await has(/^unsafe: the token file of work, .* can be read by others \(mode 644\)$/)
    chmodSync(agent.state, 0o777)
    await has(/^unsafe: .* can be written to by others \(mode 777\)$/)
    await configure(agent, { ...work.definition, guard: { interval: '3s' } }, '--token-file', token.file)
    writeFileSync(join(agent.etc, 'work.json'), JSON.stringify(work.definition))
    await has(/^warn: .*watchbill-work\.json is not what configure would write now$/)
    const file = join(agent.configDir, 'watchbill-work.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('"status": "passing"', '"status": "critical"'))
    await has(/^unsafe: the guard of work starts as critical/)
    writeFileSync(file, '{"services":')
    await has(/^unsafe: .*watchbill-work\.json cannot be used/)
    await reader.may(without(rulesFor('read-only', 'work'), 'agent_prefix'))
    await has(/^warn: Consul's version is not known: .*missing permission: agent:read on this node/)
  })

  it('finds what is wrong with an agent of bad settings, one line each', async t => {
    const settings = { leave_on_terminate: true, enable_local_script_checks: false, enable_script_checks: true }
    const cluster = await clusterFor(t, { clients: 0, settings })
    const [agent] = cluster.agents as [Agent]
    const { code, stdout, stderr } = await doctor(agent)
    assert.deepEqual([code, stderr], [100, ''])
    assert.match(stdout, /^unsafe: leave_on_terminate is true: .*; set it to false/m)
    assert.match(stdout, /^unsafe: enable_script_checks is true: /m)
    assert.match(stdout, /^warn: {3}access is not controlled: /m)
    assert.match(stdout, /^warn: {3}the gossip is not encrypted: /m)
    assert.match(stdout, /^warn: {3}.* holds no watchbill-\*\.json; run configure/m)
    assert.match(stdout, /^ok: {5}Consul \d/m)
  })

  it('says what it can without an agent, and that this is not all', async () => {
    const { code, stdout, stderr } = await runProgram('doctor', { args: ['--http-addr', '127.0.0.1:9'] })
    assert.deepEqual([code, stderr], [111, ''])
    assert.match(stdout, /^warn: {3}Consul's version is not known: cannot reach Consul at .*; start the agent/m)
  })
})
