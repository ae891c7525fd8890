/** `render/<instance>`: what is wrong with the files that an instance renders, one sentence each. There is no key while nothing is. */
import { fieldsIn } from '../base/json.ts'
import { decode, type Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, transact } from '../consul/kv.ts'

/** The most sentences, and characters of one, that others are told. */
const mostProblems = 20
const longest = 500

export async function tellProblems(
  consul: Consul,
  keys: Keys,
  instance: string,
  problems: readonly string[],
): Promise<void> {
  const Key = keys.render(instance)
  const shown = problems.slice(0, mostProblems).map(problem => problem.slice(0, longest))
  const Value = base64(JSON.stringify({ problems: shown }))
  await transact(consul, [problems.length === 0 ? { Verb: 'delete', Key } : { Verb: 'set', Key, Value }])
}

/** Instance -> its sentences. Anybody may have written a key. */
export function problemsFrom(entries: readonly Entry[], keys: Keys): Map<string, readonly string[]> {
  return new Map(
    entries.flatMap(({ key, value }) => {
      const instance = decode(key.slice(keys.renders.length))
      const { problems } = fieldsIn(value)
      if (instance === null || !Array.isArray(problems)) return []
      const texts = problems
        .filter(one => typeof one === 'string')
        .map(one => one.replace(/\s+/g, ' ').slice(0, longest))
      return [[instance, texts.slice(0, mostProblems)] as const]
    }),
  )
}
