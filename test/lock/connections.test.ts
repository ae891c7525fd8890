/** How many connections to the agent `lock` holds: Consul allows each machine 200 in all. */
import { it } from 'node:test'
import { connectionsTo } from '../../lib/setup/doctor/gather/connections.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { Locker, sessionOf } from './locker.ts'

const cluster = sharedCluster({ clients: 0 })

it('a lock that is held, and each that waits, holds one connection', async t => {
  const agent = cluster().agent('s1')
  const port = Number(new URL(agent.http).port)
  const open = () => connectionsTo(port)
  const before = await until('a look without the lab’s own connections', () => open())
  const start = (...args: string[]) => {
    const locker = new Locker(agent, ['many', '--verbose', ...args])
    t.after(() => locker.kill('SIGKILL'))
    return locker
  }
  const holder = start('--', 'sleep', '100')
  await holder.said('is held')
  const session = await sessionOf(agent, 'many')
  const waiters = Array.from({ length: 5 }, () => start('--', 'sleep', '100'))
  for (const waiter of waiters) await waiter.said('waiting')
  // The holder's comes with its first proof, and the lab's own go.
  await until('one connection each', see => see(open()) === before + 6)
  holder.kill('SIGTERM')
  await holder.ended
  await until('another to hold it', async () => {
    const held = waiters.filter(({ stderr }) => stderr.includes('is held, token'))
    return held.length === 1 && (await sessionOf(agent, 'many')) !== session
  })
  await until('one connection each, after it was handed on', see => see(open()) === before + 5)
})
