/**
 * What tells all viewers of a sight that something has changed: one blocking query on all keys of watchbill, and two on the
 * health of each service that somebody looks at. It runs while somebody looks, whoever many those are.
 */
import { encode } from '../../base/names.ts'
import { healthPath, keysPath, watch } from '../../consul/changes.ts'
import type { Consul } from '../../consul/http.ts'
import { indexOf } from '../../consul/kv.ts'
import { partitionService } from '../../keys/service-ids.ts'

export type News =
  | { readonly kind: 'change' }
  | { readonly kind: 'away'; readonly why: string }
  | { readonly kind: 'back' }

export interface Viewer {
  /** The service that it looks at; null for all. */
  readonly service: string | null
  readonly tell: (news: News) => void
}

/** The most services whose health is watched at a time: each takes two connections. */
const mostHealth = 8
/** Nothing is watched any more so long after the last viewer, ms: a page that is loaded again goes on at once. */
const linger = 5000

export interface Feed {
  /** @returns ends it */
  readonly join: (viewer: Viewer) => () => void
  readonly isLive: () => boolean
  readonly close: () => void
}

/**
 * @param services those that there are
 * @param stale is called before viewers are told: what was read of the service, or of all, no longer counts
 */
export function feedOf(
  consul: Consul,
  services: () => Promise<readonly string[]>,
  stale: (service: string | null) => void,
): Feed {
  const viewers = new Set<Viewer>()
  const stops = new Map<string, () => void>()
  const stamps = new Map<string, string>()
  let away: string | null = null
  let ending: NodeJS.Timeout | undefined
  let comparing = false
  let again = false

  const tell = (news: News, of: (viewer: Viewer) => boolean = () => true) => {
    for (const viewer of viewers) if (of(viewer)) viewer.tell(news)
  }
  const changed = (service: string | null) => {
    stale(service)
    tell({ kind: 'change' }, viewer => service === null || viewer.service === null || viewer.service === service)
  }
  const isAway = (why: string | null) => {
    const was = away
    away = why
    if (why !== null && was === null) tell({ kind: 'away', why })
    if (why === null && was !== null) {
      stamps.clear()
      stale(null)
      tell({ kind: 'back' })
    }
  }

  /** All keys have one index: which services changed is asked for each one that somebody looks at. */
  const compare = async (told: (service: string | null) => void) => {
    const looked = new Set([...viewers].flatMap(({ service }) => service ?? []))
    const sees = [...viewers].some(({ service }) => service === null)
    const all = sees ? await services() : []
    if (sees && set('all', all.join('\n'))) told(null)
    for (const service of new Set([...all, ...looked]))
      if (set(`of ${service}`, await stampOf(consul, service, looked.has(service)))) told(service)
  }
  const set = (name: string, stamp: string) => {
    const before = stamps.get(name)
    stamps.set(name, stamp)
    return before !== stamp
  }
  const keysChanged = async () => {
    again = true
    if (comparing) return
    comparing = true
    while (again) {
      again = false
      await compare(changed).catch(() => changed(null))
    }
    comparing = false
  }

  const start = (path: string, on: () => void, begun = () => {}) => {
    if (!stops.has(path)) stops.set(path, watch(consul, path, { changed: on, away: isAway, begun }))
  }
  const watchHealth = (service: string) => {
    if (stops.size > 2 * mostHealth) return
    for (const name of [service, partitionService(service)]) start(healthPath(name), () => changed(service))
  }
  const stop = () => {
    for (const end of stops.values()) end()
    stops.clear()
    stamps.clear()
    away = null
  }
  return {
    join(viewer) {
      clearTimeout(ending)
      viewers.add(viewer)
      start(
        keysPath('watchbill/'),
        () => void keysChanged(),
        () => void compare(() => {}).catch(() => {}),
      )
      if (viewer.service !== null) watchHealth(viewer.service)
      if (away !== null) viewer.tell({ kind: 'away', why: away })
      return () => {
        viewers.delete(viewer)
        if (viewers.size === 0) ending = setTimeout(stop, linger).unref()
      }
    },
    isLive: () => stops.size > 0 && away === null,
    close() {
      clearTimeout(ending)
      stop()
    },
  }
}

/** Figures are left out: they are written all the time, and are looked at when something else has changed. */
async function stampOf(consul: Consul, service: string, wholly: boolean): Promise<string> {
  const name = encode(service)
  const beside = ['.health', '.events', '.scheduler']
  const more = wholly ? beside.map(folder => `watchbill/${folder}/${name}/`) : []
  const folders = [`watchbill/${name}/`, ...more]
  return (await Promise.all(folders.map(folder => indexOf(consul, folder)))).join(' ')
}
