import { seconds } from '../../../base/clock.ts'
import type { Facts } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** Whether machines can be powered off from here. Prints nothing on a machine without power-off.json. */
export function power({ power, installed }: Facts): Finding[] {
  if (power === undefined) return []
  const { file, problem, absent, afterMs } = power
  if (problem !== null) return [unsafe(problem, 'see docs/power-off.md')]
  if (absent.length > 0)
    return [unsafe(`${file} names ${absent.join(', ')}, which cannot be run`, 'nobody is powered off from here')]
  const late = installed.find(({ leaseMs }) => leaseMs !== null && afterMs >= leaseMs)
  if (late !== undefined) {
    const what = `after in ${file} is ${seconds(afterMs)}, and the lease of ${late.service} is not longer`
    return [warn(what, 'powering a machine off then gains nothing; make it shorter')]
  }
  return [ok(`machines can be powered off by ${file}`)]
}
