/**
 * Programs that try to escape, one kind per partition (workers.ts), and programs that cannot be ended (ptraced,
 * fuse-stuck). The shepherds that look after them are killed; the partitions are then restarted, handed over or waited
 * for. There must never be two owners.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { each } from './campaign.ts'
import { Lab } from './lab.ts'
import { missing } from './needs.ts'
import { type Played, play } from './play.ts'
import { faultsNamed } from './registry.ts'
import { line } from './table.ts'

const hosts = ['a1', 'a2', 'a3']
const escapes = faultsNamed(['shepherds-kill', 'shepherds-kill-drain', 'ptraced', 'fuse-stuck'])

/** The strongest containment and the weakest; `npm run test:faults` has options for those in between. */
const ways = [
  ['root, with control groups', {}],
  ['another user, without control groups', { asUser: true, noGroups: true }],
] as const

for (const [name, way] of ways) {
  test(`no program escapes: ${name}`, async t => {
    const say = (text: string) => t.diagnostic(text)
    const lack = await missing(say)
    if (lack !== null) return t.skip(`the fault lab cannot run here: ${lack}`)
    const lab = await Lab.start({ clients: hosts.length, gossip: 'tuned', ...way, say })
    const played: Played[] = []
    try {
      await play(lab, each(1, 1, escapes, hosts), one => {
        played.push(one)
        say(line(one))
      })
    } finally {
      await lab.close({ keep: played.some(({ faults }) => faults.length > 0) })
    }
    assert.deepEqual([played.length, ...played.flatMap(({ faults }) => faults)], [escapes.length])
  })
}
