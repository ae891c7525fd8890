import assert from 'node:assert/strict'
import { it } from 'node:test'
import { until } from '../lab/until.ts'
import { canBeFirst, container } from './first-process.ts'

it('10,000 starts below an agent that is the first process leave no zombie', { skip: !canBeFirst }, async t => {
  const { child, orphans, zombies, http } = await container()
  t.after(() => child.kill('SIGKILL'))
  for (let n = 0; n < 100; n++) {
    orphans(100)
    assert.ok(zombies() < 100, 'they do not add up')
  }
  await until('the zombies to go', see => see(zombies()) === 0)
  assert.ok((await fetch(`${http}/v1/status/leader`)).ok)
})
