/** Plans of a scheduler, as the keys in which they stand: good ones, and such as nobody should ever find. */
import { digest } from '../../lib/base/digest.ts'
import { keysOf } from '../../lib/base/names.ts'

const keys = keysOf('svc')

/** What a plan says, by the instances and the partitions there are. */
type Plan = (
  instances: readonly string[],
  ids: readonly string[],
) => { readonly assignment: Record<string, readonly string[]>; readonly nobody?: Record<string, string> }

const first = (instances: readonly string[]) => instances[0] as string
const last = (instances: readonly string[]) => instances.at(-1) as string

export const plans: readonly Plan[] = [
  (instances, ids) => ({ assignment: { [first(instances)]: ids } }),
  (instances, ids) => ({ assignment: { [last(instances)]: ids } }),
  (instances, ids) => ({ assignment: { [first(instances)]: ids.slice(0, 1), [last(instances)]: ids.slice(1) } }),
  (_, ids) => ({ assignment: { 'z:svc': ids } }),
  (instances, ids) => ({ assignment: { [last(instances)]: ids.slice(1) }, nobody: { [ids[0] as string]: 'why not' } }),
]

/** How a plan is spoilt: not at all, its parts missing, or garbled, or its pointer garbled. */
export const spoilt = ['', '', '', 'missing', 'garbled', 'pointer'] as const

/** key -> value, in the order in which they are written; a plan that is spoilt lacks something. */
export function planKeys(
  revision: number,
  plan: ReturnType<Plan>,
  how: (typeof spoilt)[number],
): [key: string, value: string][] {
  const head = JSON.stringify({ revision, by: 'a:svc', at: '', from: {}, variables: {}, log: [] })
  const parts = [head, JSON.stringify({ nobody: {}, ...plan })]
  const said = {
    revision,
    parts: parts.length,
    digest: digest(parts.join('\n')),
    by: 'a:svc',
    at: '',
    giveUpMs: 300_000,
  }
  const pointer = how === 'pointer' ? '{"revision":' : JSON.stringify(said)
  const written = parts.map((text, part): [string, string] => [
    keys.planPart(revision, part),
    how === 'garbled' ? text.slice(1) : text,
  ])
  return [...(how === 'missing' ? [] : written), [keys.plan, pointer]]
}
