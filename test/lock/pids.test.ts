/** The end of a command whose descendants have lower pids than itself, or the pid of a process that was there before it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'

/** A pid namespace of its own, in which the next pid can be set; null when it was made. */
const missing =
  spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0
    ? false
    : 'no pid namespace can be made'

/** @returns the pid of what the command left behind, and whether it lived when the run was over */
function runAlone(...args: string[]): { left: number; lives: boolean } {
  const script = join(import.meta.dirname, 'alone.ts')
  const alone = ['--pid', '--fork', '--mount-proc', process.execPath, script, ...args]
  const { stdout, stderr } = spawnSync('unshare', alone, { encoding: 'utf8', timeout: 30_000 })
  assert.match(stdout, /^\{.*\}\n$/, stderr)
  return JSON.parse(stdout)
}

describe('what a command leaves behind is found', { skip: missing }, () => {
  it('when the kernel has begun again with low pids, as after many forks that a control group refused', () => {
    const { left, lives } = runAlone('20000', '1000')
    assert.ok(left > 1000 && left < 2000, String(left))
    assert.equal(lives, false)
  })

  it('when it has the pid of a process that was there before the command', () => {
    const { left, lives } = runAlone('20000', 'reuse')
    assert.ok(left > 0)
    assert.equal(lives, false)
  })
})
