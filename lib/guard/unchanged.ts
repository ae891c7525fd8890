/** Whether a look that is due can be left out, because nothing has changed since the last one. */
import { bootClock } from '../base/clock.ts'
import type { Consul } from '../consul/http.ts'
import { isLookDue, isQuestionDue, rememberLooked } from '../look/looked.ts'
import { definitionInForce } from '../state/definition.ts'
import type { Local } from '../state/local.ts'
import { withReadiness } from '../state/ready.ts'
import type { Self } from '../state/self.ts'

/** False also when no look is due. @throws Temporary when Consul does not answer, or nothing can be written */
export async function mayLeaveOutLook(
  consul: Consul,
  self: Self,
  local: ReadonlyMap<string, Local>,
  interval: number,
): Promise<boolean> {
  const { files } = self
  const now = bootClock()
  if (!isLookDue(files, now, interval)) return false
  const { isUnchanged, mayRest } = await import('../look/unchanged.ts') // most ticks have no look due
  const facts = withReadiness(files, local, definitionInForce(files)?.definition)
  if (!mayRest(files, facts, now)) return false
  if (!isQuestionDue(files, now, interval)) return true
  if (!(await isUnchanged(consul, self))) return false
  rememberLooked(files, now)
  return true
}
