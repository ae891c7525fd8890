/** Everything as a user that is not root, as Debian's package runs Consul. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chownSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import { settled, stage } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { consulBinary } from '../lab/consul.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { home, install } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { guarded, letAgents, rulesFor, tokenFor } from './lab.ts'

/** nobody: every Debian has it, and it owns nothing. */
const uid = 65_534
const asUser = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups']

/** Why this cannot be tried here; null when it can. */
function hindrance(program: string): string | null {
  if (process.getuid?.() !== 0) return 'only root can become another user'
  const { status } = spawnSync('setpriv', [...asUser, program, 'version'])
  return status === 0
    ? null
    : `user ${uid} cannot run ${program}: setpriv is missing, or a directory above it is closed`
}

test('Consul, the handlers and the workers run as another user than root', async t => {
  const why = hindrance(await consulBinary())
  if (why !== null) return t.skip(why)
  const cluster = await clusterFor(t, guarded({ clients: 0, agents: { s1: { uid } } }))
  const [agent] = cluster.agents as [Agent]
  await letAgents(agent, ['work'])
  const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 2] } })
  chownSync(join(cluster.root, 'work.beats'), uid, uid)
  const token = await tokenFor(agent, rulesFor('policy', 'work'))

  // Consul runs the guard, and it cannot read root's file: that costs nothing but the work's start.
  await install(agent, work.definition, '--token-file', token.file)
  const guard = async () =>
    (await agent.api<Record<string, { Output: string }>>('GET', '/v1/agent/checks'))['work-guard']
  await until('the guard to say so', async see => /cannot read .*token/.test(see((await guard())?.Output ?? '')))
  chownSync(token.file, uid, uid)
  await settled(work, [agent])

  const directory = join(agent.state, 's1:work')
  const { uid: owner, mode } = statSync(directory)
  assert.deepEqual([owner, mode & 0o777], [uid, 0o700])
  const owners = (await cluster.strays()).map(pid => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? uid)
  assert.deepEqual([...new Set(owners)], [uid])
  const release = join(home, 'current')
  const args = [...asUser, `${release}/watchbill`, 'leave', 'work', '--state', agent.state, '--http-addr', agent.http]
  const { stdout } = await execa('setpriv', [...args, '--token-file', token.file], { env: {}, extendEnv: false })
  assert.match(stdout, /^s1:work left: 3 partitions given back/)
})
