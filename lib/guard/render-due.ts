/** Whether files are to be rendered again: something has changed that no watch reports, or a failed render is due again. */
import { bootClock } from '../base/clock.ts'
import { keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { folderIndex } from '../consul/kv.ts'
import type { Definition } from '../definition/definition.ts'
import { isRetryDue, readSeen, templatesStamp } from '../state/renders.ts'
import type { Self } from '../state/self.ts'

/**
 * Nobody watches the locks: N instances that hand over P partitions would start N × P handlers. So each tick asks for the
 * index of the locks and of the reports, one line each.
 * @throws Temporary when Consul does not answer
 */
export async function isRenderDue(
  consul: Consul,
  { files, service }: Pick<Self, 'files' | 'service'>,
  render: NonNullable<Definition['render']>,
): Promise<boolean> {
  const seen = readSeen(files)
  if (seen === null || isRetryDue(seen, bootClock()) || templatesStamp(render, seen.files) !== seen.templates)
    return true
  const keys = keysOf(service)
  const [locks, reports] = await Promise.all([keys.locks, keys.reports].map(prefix => folderIndex(consul, prefix)))
  return locks !== seen.locks || reports !== seen.reports
}
