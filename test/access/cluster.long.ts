/** Real agents that deny by default: everything works with the policies of consul.d, and no token is seen anywhere. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { everywhere, faultless, range, settled, stage } from '../cluster/stage.ts'
import { type Ended, runProgram } from '../handlers/support/programs.ts'
import type { Agent, Cluster } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { install } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { guarded, letAgents, rulesFor, tokenFor } from './lab.ts'

const secrets = { file: crypto.randomUUID(), environment: crypto.randomUUID(), operator: crypto.randomUUID() }

/** What a process shows of itself; empty when it is gone. */
function shown(pid: string, file: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}

const holdsSecret = (text: string) => Object.values(secrets).some(secret => text.includes(secret))

/** The processes with a secret among their arguments, and the workers with one in their environment. */
function leaks(): string[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return pids.flatMap(pid => {
    const [line, environment] = [shown(pid, 'cmdline'), shown(pid, 'environ')]
    const worker = environment.includes('WATCHBILL_DIR=')
    return holdsSecret(line) || (worker && holdsSecret(environment)) ? [`${pid} ${line}`] : []
  })
}

/** Empty for what is no file, or has gone since: facts come and go while the agents run. */
function textOf(path: string): string {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile()
  return isFile && existsSync(path) ? readFileSync(path, 'latin1') : ''
}

/** The files of a lab that hold a secret and are not the operator's, or Consul's own. */
function spilt({ root }: Cluster): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name => {
    if (/\/(data|settings)\/|\/token-\d+$/.test(`/${name}`)) return false
    return holdsSecret(textOf(join(root, name)))
  })
}

async function lab(t: TestContext): Promise<[Cluster, Agent, Agent]> {
  const env = { DEBUG: '1' } // what handlers print goes into the agent's log
  const a1 = { env: { ...env, CONSUL_HTTP_TOKEN: secrets.environment } }
  const cluster = await clusterFor(t, guarded({ clients: 1, env, logLevel: 'debug', agents: { a1 } }))
  const [first, second] = cluster.agents as [Agent, Agent]
  await letAgents(first, ['work'])
  return [cluster, first, second]
}

describe('agents that deny by default', () => {
  it('run everything with the policies of consul.d, and show no token', async t => {
    const [cluster, s1, a1] = await lab(t)
    const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 5] } })
    const rules = rulesFor('policy', 'work')
    const own = await tokenFor(s1, rules, secrets.file)
    await tokenFor(s1, rules, secrets.environment)
    const operator = await tokenFor(s1, rulesFor('operator', 'work'), secrets.operator)
    const said: string[] = []
    const run = async (agent: Agent, program: string, ...args: string[]): Promise<Ended> => {
      const ended = await runProgram(program, {
        args: [...args, '--http-addr', agent.http],
        env: { DEBUG: '1', CONSUL_HTTP_TOKEN: secrets.operator },
      })
      said.push(ended.stdout, ended.stderr)
      assert.equal(ended.code, 0, ended.stderr)
      return ended
    }
    const seen = new Set<string>()
    const watching = setInterval(() => {
      for (const leak of leaks()) seen.add(leak)
    }, 100)
    t.after(() => clearInterval(watching))

    // One by a file, the other by the agent's environment.
    await install(s1, work.definition, '--token-file', own.file)
    await install(a1, work.definition)
    await settled(work, [s1, a1])
    await run(s1, 'drain', 'work', 'a1:work')
    await until('a1 to hold nothing', () => [...everywhere(work, [a1])].length === 0)
    await run(s1, 'drain', 'work', 'a1:work', 'off')
    await settled(work, [s1, a1])
    await run(a1, 'partitions', 'work', 'add', '6')
    await run(a1, 'partitions', 'work', 'remove', '0')
    await until('the set to change', async () => (await settled(work, [s1, a1])).partitions.length === 6)
    for (const program of ['status', 'owner']) await run(a1, program, 'work', ...(program === 'owner' ? ['6'] : []))
    await run(a1, 'leave', 'work', '--state', a1.state)
    await settled(work, [s1])
    await a1.reload()
    await settled(work, [s1, a1])
    await a1.stop('SIGKILL')
    await settled(work, [s1])
    await run(s1, 'evict', 'work', 'a1:work', '--yes')
    await faultless(work, range(6).slice(1).concat('6'))

    assert.deepEqual([...seen], [], 'arguments, and the environment of workers')
    assert.deepEqual(spilt(cluster), [], 'logs and state directories')
    assert.deepEqual(said.filter(holdsSecret), [], 'output')
    assert.ok(said.some(text => text.includes('debug: ')))
    assert.ok(readFileSync(s1.log, 'utf8').includes('debug: '))
    await operator.may('')
    const { stderr } = await runProgram('status', {
      args: ['work', '--http-addr', s1.http],
      env: { DEBUG: '1', CONSUL_HTTP_TOKEN: secrets.operator },
    })
    assert.match(stderr, /missing permission/)
    assert.equal(holdsSecret(stderr), false)
  })
})
