import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { execa } from 'execa'
import { haveRedis, howToGet } from '../../examples/stream-consumers/redis-server.ts'

const skip = (await haveRedis(console.error)) ? false : howToGet

describe('the examples of lock', { concurrency: 1 }, () => {
  for (const [name, told] of [
    ['wait', /--wait 10s: exit 0, "my turn".*\n--wait 1s: exit 1, lock: migrate is held by \S+ since /],
    ['hourly', /report of 2030-01-01T08 by .*\nreport of 2030-01-01T09 by .*\nreport of 2030-01-01T10 by machine [23]/],
  ] as const) {
    it(`${name} come out as they say`, () => comesOut(name, told))
  }
  it('bootstrap comes out as it says', { skip }, () => comesOut('bootstrap', /: master\n/))
})

async function comesOut(name: string, told: RegExp): Promise<void> {
  const file = join(import.meta.dirname, `../../examples/lock/${name}.ts`)
  const { exitCode, all } = await execa(process.execPath, [file], { all: true, reject: false, timeout: 120_000 })
  assert.equal(exitCode, 0, all)
  assert.match(all, told)
  assert.match(all, /verdict: as it should be\n*$/)
}
