/** The token's file is replaced and the old token deleted while `lock` holds and waits. */
import assert from 'node:assert/strict'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { guarded } from '../access/lab.ts'
import { lives } from '../handlers/support/processes.ts'
import type { Agent } from '../lab/agent.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { Beats, Locker, worker } from './locker.ts'

const cluster = sharedCluster(guarded({ clients: 0 }))
const rules = 'key_prefix "watchbill/.lock/" { policy = "write" }\nsession_prefix "" { policy = "write" }'

interface Token {
  readonly AccessorID: string
  readonly SecretID: string
}

let made = 0

async function token(agent: Agent): Promise<Token> {
  const Name = `lock-${made++}`
  await agent.api('PUT', '/v1/acl/policy', { Name, Rules: rules })
  return agent.api('PUT', '/v1/acl/token', { Policies: [{ Name }] })
}

const remove = (agent: Agent, { AccessorID }: Token) => agent.api('DELETE', `/v1/acl/token/${AccessorID}`)

function put(file: string, { SecretID }: Token): void {
  writeFileSync(`${file}.new`, `${SecretID}\n`)
  renameSync(`${file}.new`, file)
}

describe('a token that is rotated', { concurrency: 2 }, () => {
  for (const order of ['before', 'after'] as const) {
    it(`stops nobody and nobody gives up when its file is replaced ${order} the old one is deleted`, async t => {
      const agent = cluster().agent('s1')
      const file = join(agent.folder, `token-${order}`)
      const old = await token(agent)
      put(file, old)
      const beats = new Beats(agent, order)
      const env = { CONSUL_HTTP_TOKEN_FILE: file }
      const lock = (...command: string[]) => {
        const locker = new Locker(agent, [order, '--verbose', '--', ...command], { env })
        t.after(() => locker.kill('SIGKILL'))
        return locker
      }
      const holder = lock('sh', worker, beats.file)
      await beats.count(1)
      const waiter = lock('echo', 'its turn')
      await waiter.said('waiting')
      const fresh = await token(agent)
      if (order === 'before') put(file, fresh)
      else rmSync(file)
      await remove(agent, old)
      if (order === 'after') {
        await holder.said('cannot read the token or certificates again')
        put(file, fresh)
      }
      const rotated = bootClock()
      const lasts = async () => ((await beats.read()).at(-1)?.at ?? 0) > rotated + 13_000 // lease + grace
      await until('the command to outlive its lease', async () => (await lasts()) || holder.child.exitCode !== null, {
        deadline: 30_000,
      })
      const [pid] = await beats.workers()
      assert.ok(lives(pid as number), holder.stderr)
      assert.equal(waiter.child.exitCode, null, waiter.stderr)
      holder.kill('SIGTERM')
      await holder.ended
      const { code, stdout, stderr } = await waiter.ended
      assert.deepEqual([code, stdout], [0, 'its turn\n'], stderr)
    })
  }
})
