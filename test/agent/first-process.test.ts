import assert from 'node:assert/strict'
import { once } from 'node:events'
import { it } from 'node:test'
import { until } from '../lab/until.ts'
import { canBeFirst, container } from './first-process.ts'

it('an agent that is the first process leaves no zombies, and ends as Consul does', { skip: !canBeFirst }, async t => {
  const { child, init, orphans, zombies, run } = await container()
  t.after(() => child.kill('SIGKILL'))
  orphans(300)
  await until('the zombies to go', see => see(zombies()) === 0)
  assert.match(run('cat /proc/[0-9]*/cmdline | tr "\\0" " "'), /consul agent -server/)
  const ended = once(child, 'exit')
  process.kill(init, 'SIGTERM')
  assert.deepEqual(await ended, [1, null], "Consul's own exit code when it is not to leave")
})
