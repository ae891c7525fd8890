/** The guard as Consul runs it: whatever becomes of its figures, its verdict is the same. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { allRows } from '../../lib/state/figures/ring.ts'
import { instanceRing } from '../../lib/state/figures/rings.ts'
import { instanceLease } from '../../lib/state/lease.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'
import { runProgram } from '../handlers/support/programs.ts'

const verdict = '0 locks held\n'

async function instance(t: TestContext) {
  const { consul } = await fakeConsul(t)
  const root = directory(t)
  const args = ['--instance', 'a:svc', '--service', 'svc', '--definition', '/nowhere', '--state', root]
  const guard = (env: Record<string, string> = {}, preload: string[] = []) =>
    runProgram('guard', { args: [...args, '--http-addr', new URL(consul.address.origin).host], env, preload })
  const files = instanceFiles(root, 'a:svc')
  const rows = () => allRows(files.instanceRing, instanceRing(2000), bootClock()).length
  return { files, guard, rows }
}

function instead(path: string, make: () => void): void {
  rmSync(path, { recursive: true })
  make()
}

describe('a guard', () => {
  it('writes a row each time, and nothing when figures are off', async t => {
    const { files, guard, rows } = await instance(t)
    const off = await guard({ WATCHBILL_FIGURES: 'off' })
    assert.deepEqual([off.code, off.stdout, existsSync(files.figures)], [0, verdict, false])
    const on = await guard()
    assert.deepEqual([on.code, on.stdout, on.stderr, rows()], [0, verdict, '', 1])
  })

  const faults: [what: string, break_: (figures: string) => void][] = [
    ['a file is in the place of their directory', figures => instead(figures, () => writeFileSync(figures, ''))],
    [
      'a directory is in the place of the ring',
      figures => instead(`${figures}/instance`, () => mkdirSync(`${figures}/instance`)),
    ],
    ['a directory is in the place of the notes', figures => mkdirSync(`${figures}/notes`)],
    ['the totals are garbled', figures => writeFileSync(`${figures}/totals`, Buffer.alloc(1e6, 7))],
  ]
  for (const [what, break_] of faults) {
    it(`passes while ${what}`, async t => {
      const { files, guard } = await instance(t)
      await guard()
      break_(files.figures)
      const { code, stdout, stderr } = await guard()
      assert.deepEqual([code, stdout, stderr], [0, verdict, ''])
    })
  }

  it('may be killed at every step of them: the next one goes on', async t => {
    const { files, guard, rows } = await instance(t)
    await guard()
    const killed: number[] = []
    for (let step = 1; ; step++) {
      truncateSync(files.instanceRing, 100)
      writeFileSync(files.notes, 'attend 5 1 0 0\n')
      const { signal } = await guard({ KILL_AT: String(step), KILL_KINDS: 'rename,rmSync,mkdirSync,open' }, [
        'killed-at',
      ])
      if (signal === null) break
      killed.push(step)
      const next = await guard()
      assert.deepEqual([next.code, next.stdout], [0, verdict], `after step ${step}`)
      assert.ok(rows() >= 1 && instanceLease(files, bootClock()) !== null, `after step ${step}`)
    }
    assert.ok(killed.length >= 3, `it was killed at ${killed.length} steps`)
  })
})
