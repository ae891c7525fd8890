import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it, type TestContext } from 'node:test'
import { type Agent, Refused, startCluster } from './cluster.ts'
import { clusterFor, sharedCluster } from './in-tests.ts'
import { until } from './until.ts'

interface Check {
  Node: string
  CheckID: string
  Status: string
  Output: string
}

describe('a cluster', () => {
  const cluster = sharedCluster({ clients: 1, settings: { node_meta: { lab: 'yes' } }, env: { COLOUR: 'green' } })

  it('has one leader, and every agent is passing', async () => {
    assert.equal((await cluster().leader()).name, 's1')
    const checks = await cluster().agent('a1').api<Check[]>('GET', '/v1/health/state/passing')
    assert.deepEqual(checks.map(check => `${check.Node} ${check.CheckID}`).sort(), ['a1 serfHealth', 's1 serfHealth'])
  })

  it('passes its settings on', async () => {
    const { Meta } = await cluster().agent('a1').api<{ Meta: { lab: string } }>('GET', '/v1/agent/self')
    assert.equal(Meta.lab, 'yes')
  })

  it('says what Consul refused', async () => {
    const missing = cluster().agent('a1').api('GET', '/v1/kv/nothing')
    await assert.rejects(missing, (error: Refused) => error instanceof Refused && error.status === 404)
  })

  it('takes a dropped configuration with a reload, and runs its script in a clean environment', async () => {
    const agent = cluster().agent('a1')
    const script = { id: 'look', name: 'look', args: ['/bin/sh', '-c', 'env; pwd'], interval: '500ms', timeout: '5s' }
    writeFileSync(join(agent.configDir, 'look.json'), JSON.stringify({ check: script }))
    await agent.reload()
    const output = await until('the output of the script', see => outputOf(agent, 'look').then(see))
    const names = output
      .trim()
      .split('\n')
      .map(line => line.replace(/=.*/, ''))
    assert.deepEqual(names.sort(), ['COLOUR', 'HOME', 'PATH', 'PWD', 'WATCHBILL_LAB', agent.folder].sort())
  })

  it('notices that an agent is stopped, and starts it again where it was', async () => {
    const agent = cluster().agent('a1')
    const { http, pid } = agent
    await agent.stop('SIGKILL')
    assert.equal(agent.pid, null)
    assert.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' })
    await agent.start()
    assert.equal(agent.http, http)
    assert.notEqual(agent.pid, pid)
  })

  it('grows', async () => {
    const agent = await cluster().add('b1', { dns: true })
    const nodes = await agent.api<{ Node: string }[]>('GET', '/v1/catalog/nodes')
    assert.deepEqual(nodes.map(({ Node }) => Node).sort(), ['a1', 'b1', 's1'])
    assert.ok(agent.dnsPort)
  })
})

async function outputOf(agent: Agent, id: string): Promise<string | null> {
  const checks = await agent.api<Record<string, Check>>('GET', '/v1/agent/checks')
  return checks[id]?.Status === 'passing' ? checks[id].Output : null
}

describe('the end of a cluster', () => {
  it('leaves no process behind, not even one that a handler left, and no folder', async test => {
    const cluster = await clusterFor(test, { clients: 0 })
    const agent = cluster.agent('s1')
    const orphan = '[ -e orphan ] && exit; touch orphan; setsid sleep 60 >/dev/null 2>&1 &'
    const check = { id: 'leave', name: 'leave', args: ['/bin/sh', '-c', orphan], interval: '500ms', timeout: '5s' }
    writeFileSync(join(agent.configDir, 'leave.json'), JSON.stringify({ check }))
    await agent.reload()
    const [stray] = await until('the orphan', async see => {
      const strays = see(await cluster.strays())
      return strays.length === 1 && strays
    })
    const pids = [agent.pid, stray]
    await cluster.close()
    assert.deepEqual(pids.map(isRunning), [false, false])
    assert.equal(existsSync(cluster.root), false)
  })

  it('keeps the folder when an agent did not start, and says why', async test => {
    const parent = temporary(test)
    const starting = startCluster({ clients: 0, settings: { no_such_setting: 1 }, parent })
    await assert.rejects(starting, /s1 ended while starting: .*no_such_setting/)
    assert.equal(readdirSync(parent).length, 1)
  })

  it('comes even when the process that made it is killed hard', { timeout: 30_000 }, async test => {
    const program = `
      const { startCluster } = await import(${JSON.stringify(join(import.meta.dirname, 'cluster.ts'))})
      const cluster = await startCluster({ clients: 1, parent: ${JSON.stringify(temporary(test))} })
      console.log(JSON.stringify(cluster.agents.map(agent => agent.pid)))
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    test.after(() => child.kill('SIGKILL'))
    const [line] = await once(createInterface(child.stdout), 'line')
    const pids: number[] = JSON.parse(line)
    assert.deepEqual(pids.map(isRunning), [true, true])
    child.kill('SIGKILL')
    await until('the agents to be gone', () => !pids.some(isRunning))
  })
})

function temporary(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-test-'))
  test.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Zombies count as gone: not every first process of a container reaps. */
function isRunning(pid: unknown): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}
