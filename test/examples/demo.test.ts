import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { follow } from '../../examples/demo/view.ts'
import { statusOf } from '../../lib/operate/status/status.ts'
import { root, run } from '../configure/run.ts'
import { clusterOf, locks, me, other } from '../fixtures/cluster.ts'

test('what is kept up stays until it is interrupted, and is then cleaned up', async () => {
  const file = join(root, 'examples/demo/keep.ts')
  const program = `import { aborted } from ${JSON.stringify(file)}
    const signal = AbortSignal.timeout(300) // it keeps no Node alive, as a signal's handler does not
    await aborted(signal)
    console.log('cleaned up')`
  const ended = await run(process.execPath, ['--input-type=module', '-e', program])
  assert.deepEqual(ended, { code: 0, stdout: 'cleaned up', stderr: '' })
})

test('the last frame is of what is so at the end, not of a move half done', async () => {
  const at = (instance: string) =>
    statusOf(clusterOf({ partitions: new Set(['0']), locks: new Map([['0', locks.held(instance)]]) }), new Map())
  const frames: string[] = []
  let now = other
  let slow = 0
  const look = async () => {
    const seen = at(now)
    await delay(slow)
    return seen
  }
  const stop = follow(look, rows => frames.push(rows.find(row => / 0/.test(row)) ?? ''))
  slow = 50
  await delay(20) // a look is under way
  now = me
  await stop()
  await stop()
  assert.deepEqual(
    frames.map(row => row.split(' ')[0]),
    [other, me],
  )
})
