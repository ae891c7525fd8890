import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { optionsFrom } from './options.ts'
import { begin, note, type Played } from './play.ts'

const run = join(import.meta.dirname, 'run.ts')

/** The progress file of a campaign with so many played trials. */
function progress(t: TestContext, played: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-progress-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'campaign.jsonl')
  begin(file, { seed: 7, count: 10, gossip: 'default', clients: 3 })
  for (let trial = 0; trial < played; trial++) note(file, { trial, faultNames: [], hosts: [], faults: [] })
  return file
}

describe('the arguments', () => {
  const wrong: [string[], RegExp][] = [
    [['--only', 'flood'], /there is no fault "flood"/],
    [['--gossip', 'loud'], /--gossip is default or tuned, not "loud"/],
    [['--times', 'often'], /--times needs a whole number, not "often"/],
    [['--speed'], /--speed/],
    [['--resume', '/nowhere'], /ENOENT/],
  ]
  for (const [args, expected] of wrong) {
    it(`${args.join(' ')} is refused with exit code 100`, async () => {
      const { exitCode, stderr } = await execa(process.execPath, [run, ...args], { reject: false })
      assert.equal(exitCode, 100)
      assert.match(stderr, /^test:faults: permanent: cannot read the arguments: /)
      assert.match(stderr, expected)
    })
  }

  it('--only plays the named faults, as often as --times says', () => {
    const { trials } = optionsFrom(['--only', 'host-cut,leave', '--times', '2'])
    const names = trials.map(({ faults }) => faults.map(({ name }) => name).join())
    assert.deepEqual(names, ['host-cut', 'leave', 'host-cut', 'leave'])
  })

  it('--resume continues an interrupted campaign, with its seed and gossip', t => {
    const { trials, before, gossip } = optionsFrom(['--resume', progress(t, 4)])
    assert.deepEqual([trials.length, before.length, gossip], [10, 4, 'default'])
    assert.deepEqual(trials, optionsFrom(['--resume', progress(t, 0)]).trials)
  })

  it('--false-alarms requires that 95 % of all processes run through', () => {
    const { trials, clients, summary } = optionsFrom(['--false-alarms', '10'])
    assert.deepEqual([trials.length, clients], [30, 6])
    const played = (ranThrough: number) => [
      { ...whole, before: 12, ranThrough },
      { ...whole, before: 8, ranThrough: 8 },
    ]
    assert.equal(summary(played(11)).ok, true)
    assert.equal(summary(played(10)).ok, false)
    assert.equal(summary([]).ok, false)
  })
})

const whole = {
  ...{ trial: 0, faultNames: ['session-destroyed'], hosts: ['a1'], faults: [], seconds: 1 },
  ...{ overlap: 0, residual: 0, stale: 0, refused: 0, longestGap: 0, afterLoss: null },
} satisfies Partial<Played>
