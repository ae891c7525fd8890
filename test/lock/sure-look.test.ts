import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lookSurely } from '../../lib/lock/sure-look.ts'

const child = { pid: 7, start: '1' }

describe('a look that finds nobody', () => {
  it('is sure when nothing was forked meanwhile', () => {
    assert.deepEqual(
      lookSurely(
        () => [],
        () => 1,
      ),
      { living: [], sure: true },
    )
  })

  it('is made again when something was: its child may have been missed', () => {
    let forks = 0
    let looks = 0
    const look = () => {
      looks++
      if (looks === 1) forks++ // it forked, and ended, after the pids were listed
      return looks === 1 ? [] : [child]
    }
    assert.deepEqual(
      lookSurely(look, () => forks),
      { living: [child], sure: true },
    )
  })

  it('is not sure where something is forked all the time', () => {
    let forks = 0
    const look = () => {
      forks++
      return []
    }
    assert.equal(lookSurely(look, () => forks).sure, false)
  })
})
