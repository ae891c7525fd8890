/** The version that a scheduler says: that of what is started from then on. People's roll-outs win. */

import { Temporary } from '../base/errors.ts'
import type { Operation } from '../consul/operation.ts'
import { recorded } from '../keys/asked.ts'
import { schedulerOn } from '../keys/set-events.ts'
import { changeSettings, type Settings } from '../keys/settings.ts'
import type { Cluster } from '../look/cluster.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Run } from '../state/self.ts'
import type { Input } from './input.ts'

/** Whether an answer asks for a change: one that says the same at each run must not undo what people rolled out since. */
export function isNewVersion(
  version: string | null,
  { inForce, said }: Input['settings']['version'],
): version is string {
  return version !== null && version !== inForce && version !== said
}

/** Why no answer may say another version now; null when one may. */
export function whyFixed({ settings, members }: Pick<Cluster, 'settings' | 'members'>): string | null {
  if (settings.roll !== undefined) return 'a roll-out is under way'
  // A partition that such a process gets later runs in the version of the process, and its lock would say another one.
  const one = members.find(({ per }) => per === 'instance')
  return one === undefined ? null : `one process has all partitions of ${one.instance}; use watchbill roll`
}

/**
 * What runs goes on in its version; nothing is restarted. What people rolled out with `--only` stays.
 * @param only the condition that this instance still has the duty
 * @returns what was done
 * @throws Temporary when the settings were changed since the look, or the duty was lost
 */
export async function putVersionInForce(
  { consul, service }: Pick<Run, 'consul' | 'service'>,
  { keys, settings: seen }: Pick<Snapshot, 'keys' | 'settings'>,
  version: string,
  only: Operation,
): Promise<string> {
  const from = seen.version === undefined ? '' : `from ${seen.version} `
  const happened = { what: 'version set', why: `${from}to ${version}` }
  const along = [only, ...(await recorded(consul, keys, [happened], schedulerOn))]
  const change = (now: Settings) => (now.roll === undefined && now.version === seen.version ? { ...now, version } : now)
  const { changed } = await changeSettings(consul, keys, change, { along })
  if (changed) return `what is started from now on gets the version ${version}`
  throw new Temporary(
    `cannot give ${service} the version ${version}: the settings, or who has the duty, changed meanwhile; it is tried again`,
  )
}
