/** What this instance does for a freeze, `spec/freeze`, that begins or ends by itself. Pure. */

import { crossing, fewLost } from '../keys/freeze.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { fewAreLost } from '../look/stood.ts'
import type { Step } from './step.ts'

export function freezeStep(snapshot: Snapshot): Step | null {
  const found = crossing(snapshot)
  if (found !== null) return { do: 'freeze', lost: found.lost, of: found.of }
  const since = snapshot.stood.get(fewAreLost)
  if (since === undefined || !fewLost(snapshot)) return null
  return snapshot.now >= since + (snapshot.freeze?.rule.settleMs ?? 0) ? { do: 'thaw' } : null
}
