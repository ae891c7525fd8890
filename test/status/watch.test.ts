import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Temporary } from '../../lib/base/errors.ts'
import { readStatus } from '../../lib/operate/status/status.ts'
import { Changes, pace, type Seen, watchStatus } from '../../lib/operate/status/watch.ts'
import { drawn } from '../../lib/operate/status/watch-on-terminal.ts'
import { until } from '../lab/until.ts'
import { blocking, keys, serviceIn } from '../page/page.ts'

test('it looks again when something changes, and not while nothing does', async t => {
  const fake = await serviceIn(t)
  blocking(fake)
  const drawings: Seen[] = []
  let looks = 0
  let over = false
  const look = () => {
    looks++
    return readStatus(fake.consul, 'svc')
  }
  const waits = () => fake.requests.filter(({ path }) => /[?&]index=[1-9]/.test(path)).length >= 4
  const watching = watchStatus(fake.consul, 'svc', look, seen => {
    drawings.push(seen)
    return !over
  })
  await until('all four questions to wait', waits)
  const before = looks
  fake.memory.put(keys.report('a:svc'), '{"0":"crash-looping since 1700000000: exit 1"}')
  await until('the change', () => drawings.at(-1)?.status.partitions[0]?.state === 'crash-looping')
  assert.deepEqual([...(drawings.at(-1)?.marked ?? [])], ['0'])
  assert.ok(looks > before)
  const settled = looks
  await until('the mark to end', () => drawings.at(-1)?.marked.size === 0, { deadline: pace.marked + 3000 })
  assert.ok(looks - settled <= 1, `${looks - settled} looks without a change`)
  over = true
  fake.memory.put(keys.report('a:svc'), '{}')
  await watching
})

test('while Consul is away the last look stays, and the foot says so; what is wrong from the start is said at once', async t => {
  const fake = await serviceIn(t)
  blocking(fake)
  const status = await readStatus(fake.consul, 'svc')
  let failing = false
  const drawings: Seen[] = []
  const look = async () => {
    if (failing) throw new Temporary('cannot reach Consul')
    failing = true
    return status
  }
  const watching = watchStatus(fake.consul, 'svc', look, seen => drawings.push(seen) < 2)
  await until('the first screen', () => drawings.length > 0)
  const waits = () => fake.requests.filter(({ path }) => /[?&]index=[1-9]/.test(path)).length >= 4
  await until('all four questions to wait', waits)
  fake.memory.put(keys.report('a:svc'), '{}')
  await watching
  assert.equal(drawings[1]?.away, 'cannot reach Consul')
  assert.equal(drawings[1]?.status, status)
  const text = drawn(drawings[1] as Seen, {}, { columns: 200, rows: 24, colours: false })
  assert.match(text, /cannot reach Consul; looked at 20\S+Z;/)
  const refused = watchStatus(fake.consul, 'svc', look, () => true)
  await assert.rejects(refused, /cannot reach Consul/)
})

test('a mark is for what is new in a look, and ends', () => {
  const changes = new Changes()
  const one = (state: string) => ({ partition: '0', instance: 'a:svc', state, version: null }) as never
  changes.note({ partitions: [one('running')] }, 0)
  assert.deepEqual([...changes.marked(0)], [], 'nothing is known to have changed before the first look')
  changes.note({ partitions: [one('moving')] }, 100)
  assert.deepEqual([...changes.marked(200)], ['0'])
  assert.equal(changes.nextEnd(200), pace.marked - 100)
  assert.deepEqual([...changes.marked(100 + pace.marked)], [])
})
