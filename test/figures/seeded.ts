/** A state directory with figures in it, as ticks write them. */

import { bootClock } from '../../lib/base/clock.ts'
import { startOf } from '../../lib/machine/identity.ts'
import { enterState } from '../../lib/state/boot.ts'
import { makeDirectory, writeFact } from '../../lib/state/facts.ts'
import { ownText, parseOwn } from '../../lib/state/figures/own.ts'
import { writeRow } from '../../lib/state/figures/ring.ts'
import { instanceRing, ownRing, partitionRing, ringsOf } from '../../lib/state/figures/rings.ts'
import { type InstanceFiles, instanceFiles } from '../../lib/state/paths.ts'

export const interval = 2000

/** Ticks of the last 10 s, and two rows of partition 7: a tenth of a processor, 64 MiB. @param own what 7 says */
export function seeded(root: string, instance: string, service: string, own = ''): InstanceFiles {
  const files = instanceFiles(root, instance)
  enterState(files, instance, service)
  for (const name of ['partition', 'own']) makeDirectory(`${files.figures}/${name}`)
  const now = bootClock()
  for (let tick = 1; tick <= 5; tick++) {
    const figures = {
      ...{ tick_ms: 40 + tick, tick_cpu_ms: 30, ticks: tick, ticks_ms: 40 * tick, ticks_cpu_ms: 30 * tick },
      ...{ margin_ms: 7000 + tick, consul_ms: 3 + tick, requests: 2 * tick, requests_ms: 8 * tick },
      ...{ partitions: 1, proved: 1, lost: 0, lost_all: 0, handlers: tick, handlers_ms: 100 * tick },
    }
    const boot = now - (5 - tick) * interval
    writeRow(files.instanceRing, instanceRing(interval), { boot, at: Date.now() / 1000, figures, text: '' })
  }
  const rings = ringsOf(files, '7')
  for (const [age, cpu_ms] of [
    [30_000, 5000],
    [0, 8000],
  ] as const) {
    const figures = { cpu_ms, memory: 67_108_864, files: 12, threads: 3, processes: 2, uptime_s: 600, restarts: 1 }
    const more = { exits: 1, exit_code: 3, acquired: 4, hand_over_ms: 250, takeover_ms: 14_100 }
    const row = { boot: now - age, at: Date.now() / 1000, figures: { ...figures, ...more }, text: '' }
    writeRow(rings.partition, partitionRing, row)
    if (own === '') continue
    writeRow(rings.own, ownRing, { ...row, figures: {}, text: ownText(parseOwn(own).samples, 487) })
  }
  makeDirectory(files.partition('7').directory)
  writeFact(files.partition('7').process, `${process.pid} ${startOf(process.pid)}`)
  if (own !== '') writeFact(files.partition('7').metrics, own.trimEnd())
  writeFact(files.totals, 'on-service 2 160 110 6 24000\nhand-over 3 750\ntakeover 1 14100\nacquired 4')
  return files
}
