/** What `{version}` stands for in the entries of `render`. Pure. */
import type { Definition, Render } from '../definition/definition.ts'
import { versionPlace } from '../definition/version.ts'
import type { Cluster } from '../look/cluster.ts'
import { meantFor, versionOn, whyNot } from '../roll/meant.ts'

/** The part of a view that says so. */
interface View {
  readonly instance: string
  readonly definition: Definition
  readonly cluster: Pick<Cluster, 'members' | 'locks' | 'settings' | 'roll'>
  readonly placed: ReadonlyMap<string, string>
}

/** What is made from one template file: all of an entry of `render`, or its partitions of one version. */
export interface Entry {
  readonly render: Render
  /** What `{version}` stands for; '' where it does not stand, or no version is in force. */
  readonly version: string
  /** Why nothing may be made for that version; null for nothing. */
  readonly refusal: string | null
  /** One file for each of these; null for one file. */
  readonly partitions: readonly string[] | null
}

/** The version in force on this instance; '' for none. An observer that names no first one takes the members' word for it. */
export function versionHere({ cluster, definition: { versions }, instance }: View): string {
  const first = versions?.first ?? cluster.members.find(member => member.versions?.first)?.versions?.first
  return versions === undefined ? '' : versionOn(cluster, first, instance)
}

/** The version that the process of a partition runs with; while nobody has it, the one that it is to be started in. */
function versionOf(view: View, id: string): string {
  const { cluster, definition, placed, instance } = view
  const lock = cluster.locks.get(id)
  const ran = lock?.session == null ? '' : (lock.held?.version ?? '')
  if (ran !== '') return ran
  const asked = { settings: cluster.settings, ...(cluster.roll !== undefined && { roll: cluster.roll }) }
  return meantFor(asked, definition, id, placed.get(id) ?? instance).version || versionHere(view)
}

/** @param ids all partitions that files are made for, in order */
export function entriesOf(view: View, render: Render, ids: readonly string[]): Entry[] {
  const { template, dest, check } = render
  const isUsed = versionPlace([template, dest, check]) !== null
  const entry = (version: string, partitions: Entry['partitions']): Entry => {
    return { render, version, refusal: isUsed ? whyNot(view.definition, null, version) : null, partitions }
  }
  if (render.each === undefined) return [entry(isUsed ? versionHere(view) : '', null)]
  const groups = Map.groupBy(ids, id => (isUsed ? versionOf(view, id) : ''))
  return [...groups].map(([version, some]) => entry(version, some))
}

/** A path, with the version in place of `{version}`. A version is one word that leads nowhere: see base/version.ts. */
export function atVersion(path: string, version: string): string {
  return version === '' ? path : path.replaceAll('{version}', () => version)
}
