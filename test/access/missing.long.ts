/** Each permission of the policies in consul.d, taken away: one line names it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { before, describe, it } from 'node:test'
import { readFact } from '../../lib/state/facts.ts'
import { addInstance, handlerLab, type Instance } from '../handlers/support/instance.ts'
import { type Ended, runProgram } from '../handlers/support/programs.ts'
import type { Agent } from '../lab/cluster.ts'
import { until } from '../lab/until.ts'
import { guarded, keyRule, letAgents, type Role, rulesFor, type Token, tokenFor, without } from './lab.ts'

type Change = (rules: string, service: string) => string
type Missing = (service: string) => string

/** One line on stderr, that names the permission. */
function assertNames({ code, stdout, stderr }: Ended, missing: string): void {
  assert.deepEqual({ code, stdout }, { code: 100, stdout: '' }, stderr)
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
  assert.ok(stderr.includes(`missing permission: ${missing}; `), stderr)
}

function assertDone({ code, stderr }: Ended): void {
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
}

/** What is below one of the service's keys: no permission at all, or only the one to read. */
function below(part: string, left: 'none' | 'read'): [Change, Missing] {
  const access = left === 'read' ? 'write' : 'read'
  return [
    (rules, service) => rules + keyRule(service, part, left === 'read' ? 'read' : 'deny'),
    service => `key_prefix "watchbill/${service}/${part}/" ${access}`,
  ]
}

const all: Change = rules => rules
const lacks =
  (start: string, instead = ''): Change =>
  rules =>
    `${without(rules, start)}\n${instead}`

describe('a permission that is taken away', { concurrency: 1 }, () => {
  const lab = handlerLab(guarded({ clients: ['a', 'b'] }))
  const services = Array.from({ length: 40 }, (_, n) => `svc${n}`)
  let agent: Agent

  before(async () => {
    agent = lab().agent('a')
    await letAgents(agent, services)
  })

  /** A service that nobody has used yet, and a token with the changed policy of a role. */
  async function fresh(role: Role, change: Change, on = agent) {
    const service = services.shift() as string
    const instance = await addInstance(on, { service, partitions: ['0', '1'] })
    const rules = rulesFor(role, service)
    return { service, instance, rules, token: await tokenFor(agent, change(rules, service)) }
  }

  const handle = (instance: Instance, token: Token, program = 'reconcile') =>
    instance.run(program, { args: ['--token-file', token.file] })

  /** A program of people's, on the agent's machine. */
  const ask = (token: Token, program: string, ...args: string[]) =>
    runProgram(program, { args: [...args, '--http-addr', agent.http, '--token-file', token.file], env: agent.env })

  describe('from an instance that comes', () => {
    const cases: [string, Change, Missing][] = [
      ...['lock', 'partition', 'spec', 'member'].flatMap(part => [
        [`${part}/`, ...below(part, 'none')] satisfies [string, Change, Missing],
        [`${part}/, to write`, ...below(part, 'read')] satisfies [string, Change, Missing],
      ]),
      ['all keys', lacks('key_prefix'), service => `key_prefix "watchbill/${service}/lock/" read`],
      ['its service', lacks('service'), service => `service:read on ${service}`],
      ['nodes', lacks('node_prefix'), () => 'node:read on a'],
      ['sessions', lacks('session_prefix'), () => 'session:read on a'],
      [
        'sessions, to write',
        lacks('session_prefix', 'session_prefix "" { policy = "read" }'),
        () => 'session:write on a',
      ],
    ]
    for (const [what, change, missing] of cases) {
      it(`(${what}) is named; once it is back, nothing is missing`, async () => {
        const { instance, service, token, rules } = await fresh('policy', change)
        assertNames(await handle(instance, token), missing(service))
        assert.equal(instance.running().size, 0)
        await token.may(rules)
        assertDone(await handle(instance, token))
        assert.deepEqual(await instance.holds(), ['0', '1'])
      })
    }
  })

  describe('from an instance that works', () => {
    async function working(more: Change = all) {
      const made = await fresh('policy', all)
      assertDone(await handle(made.instance, made.token))
      const status = (id: string) => readFact(made.instance.files.partition(id).status)
      const seen = () => made.instance.running().size === 2 // while a process becomes another, it has no environment
      await until('both to run', () => ['0', '1'].every(id => status(id) === 'running') && seen())
      const take = (change: Change) => made.token.may(change(more(made.rules, made.service), made.service))
      return { ...made, take, running: () => [...made.instance.running().values()].flat().sort() }
    }

    it('to give locks back stops nothing', async () => {
      const { instance, service, token, take, running } = await working()
      const before = running()
      await instance.put('spec/settings', JSON.stringify({ drained: [instance.name] }))
      const [change, missing] = below('lock', 'read')
      await take(change)
      assertNames(await handle(instance, token), missing(service))
      assert.deepEqual(running(), before)
      await take(all)
      assertDone(await handle(instance, token))
      assert.deepEqual(running(), [])
    })

    it('to wake the next stops nothing', async () => {
      const { instance, service, token, take, running } = await working()
      const before = running()
      const other = await addInstance(agent, { service, id: `${service}-2`, partitions: ['0', '1'] })
      assertDone(await handle(other, token))
      const [change, missing] = below('wake', 'read')
      await take(change)
      assertNames(await handle(instance, token), missing(service))
      assert.deepEqual(running(), before)
      await take(all)
      assertDone(await handle(instance, token))
      assertDone(await handle(other, token))
      assert.deepEqual([(await instance.holds()).length, (await other.holds()).length], [1, 1])
    })

    it('to report is named', async () => {
      const { instance, service, token, take } = await working()
      const { status } = instance.files.partition('0')
      const [change, missing] = below('report', 'read')
      await take(change)
      writeFileSync(status, 'crash-looping since 1: exit 1\n')
      assertNames(await handle(instance, token), missing(service))
    })

    it('to deregister is named by leave, after everything was given back', async () => {
      const { instance, service, token, take, running } = await working()
      await take(lacks('service', `service "${service}" { policy = "read" }`))
      const leave = () => ask(token, 'leave', service, '--state', agent.state)
      assertNames(await leave(), `service:write on ${service}`)
      assert.deepEqual([running(), await instance.holds()], [[], []])
      await take(all)
      assertDone(await leave())
    })
  })

  describe('from an operator', () => {
    const cases: [string, string, Change, Missing][] = [
      ['keys', 'status', lacks('key_prefix'), service => `key_prefix "watchbill/${service}/" read`],
      ['the service', 'status', lacks('service'), service => `service:read on ${service}`],
      ['nodes', 'status', lacks('node_prefix'), () => 'node:read on a'],
      ['reports', 'status', ...below('report', 'none')],
      ['partitions, to write', 'partitions add 7', ...below('partition', 'read')],
      ['locks, to write', 'partitions add 7', ...below('lock', 'read')],
      ['settings, to write', 'drain a:SERVICE', ...below('spec', 'read')],
      ['sessions', 'evict a:SERVICE --yes --force', lacks('session_prefix'), () => 'session:read on a'],
      [
        'sessions, to write',
        'evict a:SERVICE --yes --force',
        lacks('session_prefix', 'session_prefix "" { policy = "read" }'),
        () => 'session:write on a',
      ],
    ]
    for (const [what, line, change, missing] of cases) {
      it(`(${what}) is named by ${line}; once it is back, nothing is missing`, async () => {
        const { instance, service, token, rules } = await fresh('operator', change)
        assertDone(await handle(instance, await tokenFor(agent, rulesFor('policy', service))))
        const [program = '', ...args] = line.replace('SERVICE', service).split(' ')
        assertNames(await ask(token, program, service, ...args), missing(service))
        await token.may(rules)
        assertDone(await ask(token, program, service, ...args))
      })
    }

    it('to ask the agent is named by configure', async () => {
      const { instance, token } = await fresh('operator', lacks('agent_prefix'))
      const { code, stderr } = await ask(token, 'configure', instance.definition, '--stdout')
      assert.equal(code, 100)
      assert.match(stderr, /missing permission: agent:read on this node; /)
    })

    it('to take a dead node out of the gossip is named by evict', async () => {
      const b = lab().agent('b')
      const { instance, service, token, rules } = await fresh('operator', lacks('operator'), b)
      assertDone(await handle(instance, await tokenFor(agent, rulesFor('policy', service))))
      await b.stop('SIGKILL')
      await until(
        'the node to be dead',
        async () => {
          const checks = await agent.api<{ CheckID: string; Status: string }[]>('GET', '/v1/health/node/b')
          return checks.some(({ CheckID, Status }) => CheckID === 'serfHealth' && Status === 'critical')
        },
        { deadline: 20_000 },
      )
      const evict = () => ask(token, 'evict', service, instance.name, '--yes')
      assertNames(await evict(), 'operator:write')
      await token.may(rules)
    })
  })

  describe('from a reader', () => {
    it('nothing is missing to look, and everything to change', async () => {
      const { instance, service, token } = await fresh('read-only', all)
      assertDone(await handle(instance, await tokenFor(agent, rulesFor('policy', service))))
      for (const [program, ...args] of [['status'], ['owner', '0'], ['partitions', 'list']] as const) {
        assertDone(await ask(token, program, service, ...args))
      }
      const set = `key_prefix "watchbill/${service}/spec/" write`
      assertNames(await ask(token, 'drain', service, instance.name), set)
    })

    for (const [start, missing] of [
      ['key_prefix', (service: string) => `key_prefix "watchbill/${service}/" read`],
      ['service', (service: string) => `service:read on ${service}`],
      ['node_prefix', () => 'node:read on a'],
    ] as const) {
      it(`(${start}) is named by status`, async () => {
        const { instance, service, token } = await fresh('read-only', lacks(start))
        assertDone(await handle(instance, await tokenFor(agent, rulesFor('policy', service))))
        assertNames(await ask(token, 'status', service), missing(service))
      })
    }
  })
})
