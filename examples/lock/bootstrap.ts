/** Three machines start Redis at once: exactly one becomes the primary, the others join it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../../test/lab/ports.ts'
import { until } from '../../test/lab/until.ts'
import { Redis } from '../stream-consumers/redis.ts'
import { end, haveRedis, howToGet, spawnTied } from '../stream-consumers/redis-server.ts'
import { here, onMachines, say } from './lab.ts'

if (await haveRedis(say)) {
  await onMachines(3, async (machines, { root }) => {
    const ports = await freePorts(3)
    const folders = machines.map((_, n) => join(root, `redis-${n + 1}`))
    for (const folder of folders) mkdirSync(folder)
    const started = await Promise.all(
      machines.map((env, n) =>
        spawnTied('sh', [join(here, 'start-redis.sh'), String(ports[n]), folders[n] as string], env),
      ),
    )
    try {
      return await judge(folders)
    } finally {
      await Promise.all(started.map(end))
    }
  })
} else {
  say(`skipped: ${howToGet}`)
  process.exitCode = 77
}

/** @returns what is wrong */
async function judge(folders: readonly string[]): Promise<string[]> {
  const servers = await Promise.all(
    folders.map(folder =>
      until(`the Redis in ${folder}`, () => Redis.connect(join(folder, 'redis.sock')), { deadline: 60_000 }),
    ),
  )
  const settled = async () => {
    const roles = await Promise.all(servers.map(roleOf))
    const primary = roles.find(({ role }) => role === 'master')
    return primary?.replicas === servers.length - 1 && roles
  }
  const roles = await until('the replicas to be connected', settled, { deadline: 60_000 })
  for (const [n, { role }] of roles.entries()) say(`machine ${n + 1}: ${role}`)
  const at = roles.findIndex(({ role }) => role === 'master')
  await servers[at]?.send('SET', 'greeting', 'hello')
  await servers[at]?.send('WAIT', servers.length - 1, 10_000)
  const read = await Promise.all(servers.map(server => server.send('GET', 'greeting')))
  for (const server of servers) server.close()
  return [
    ...(roles.filter(({ role }) => role === 'master').length === 1 ? [] : ['there is not exactly one primary']),
    ...(read.every(text => text === 'hello') ? [] : [`not all of them have what the primary was told: ${read}`]),
  ]
}

async function roleOf(server: Redis): Promise<{ role: string; replicas: number }> {
  const text = String(await server.send('INFO', 'replication'))
  const [, role = ''] = /^role:(\w+)/m.exec(text) ?? []
  const [, replicas = '0'] = /^connected_slaves:(\d+)/m.exec(text) ?? []
  return { role, replicas: Number(replicas) }
}
