/** What pages say in figures, beside what the code says. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { duration } from '../../lib/base/clock.ts'
import { sessionTtlFor } from '../../lib/lock/contender.ts'

const page = readFileSync(new URL('../../docs/lock.md', import.meta.url), 'utf8').replace(/\s+/g, ' ')

it('docs/lock.md says how much later a lock is free whose program was killed: Consul ends a session after up to twice its TTL', () => {
  const [, said] = /up to (\d+) s later when only `lock` was killed/.exec(page) ?? []
  const longest = (lease: string) => 2 * Number(duration(sessionTtlFor(Number(duration(lease)))))
  assert.equal(longest('10s'), Number(said) * 1000)
  assert.equal(longest('20s'), Number(said) * 1000)
  assert.equal(longest('60s'), 60_000)
})
