/**
 * Whether this machine was declared off, and was not: then whoever took its partitions may have run them beside it. Everything
 * that takes part again says so in the record, for `status` and for those who would power machines off.
 */
import { bootId } from '../base/clock.ts'
import { base64, entriesAt, transact } from '../consul/kv.ts'
import { forgetRecord, powerKey, recordFrom, recordValue } from '../keys/power.ts'
import { noteEvents } from '../state/events.ts'
import type { Run } from '../state/self.ts'

/** One small read at each entry. @throws nothing: `status` sees it from the member keys, too */
export async function tellAlive(run: Run): Promise<void> {
  try {
    await tell(run)
  } catch {
    // The token may not read it, or Consul is away.
  }
}

async function tell({ consul, node, instance, files, log }: Run): Promise<void> {
  const [entry] = await entriesAt(consul, [powerKey(node)])
  if (entry === undefined) return
  const record = recordFrom(node, entry)
  // In a boot that nobody knew, only people can tell.
  if (record.session !== null || record.boot === null) return
  if (record.boot !== bootId()) {
    await forgetRecord(consul, record) // it has booted since
    return
  }
  if (record.state !== 'off' || record.alive !== null) return
  const alive = new Date().toISOString()
  const why = `${record.by} declared ${node} off, and it was not; see watchbill status`
  await transact(consul, [
    {
      Verb: 'cas',
      Key: powerKey(node),
      Index: record.index,
      Value: base64(recordValue({ ...record, alive })),
    },
  ])
  log(why)
  noteEvents(files, [{ what: 'unsafe', instance, why }])
}
