/** Waits for locks that others are handing over: a running handler takes them sooner than one that has yet to start. */
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../base/clock.ts'
import { changeBelow } from '../consul/kv.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { isMarked } from '../state/handler-mark.ts'
import type { Run } from '../state/self.ts'

/** How often to look for another handler's mark, ms. */
const poll = 20

/**
 * @param until boot clock, ms
 * @returns true when something was released for this instance since the look; false when nothing was released until then,
 * when another handler left its mark, or when Consul does not answer
 */
export async function released(run: Run, snapshot: Snapshot, until: number): Promise<boolean> {
  const wait = until - bootClock()
  if (wait <= 0) return false
  const consul = run.consul.another(wait + 1000) // closed below when the wait ends early
  const change = changeBelow(consul, snapshot.keys.wake(run.instance), snapshot.index, wait).then(
    () => true,
    () => false,
  )
  try {
    let answer: boolean | null = null
    while (answer === null && !isMarked(run.files.directory)) answer = await Promise.race([change, delay(poll, null)])
    return answer ?? false
  } finally {
    consul.close()
  }
}
