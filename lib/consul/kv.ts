/** Consul's key-value store: reads, and transactions of at most 64 operations. */
import { Temporary } from '../base/errors.ts'
import { parse } from '../base/json.ts'
import { type Entry, entryOf, type RawEntry } from './entry.ts'
import type { Answer, Consul } from './http.ts'
import type { Operation } from './operation.ts'
import { Denied, permissionForOperation } from './permission.ts'
import { apart, RefusedKey, refusable, unlessRefused } from './refused-key.ts'
import { Results } from './results.ts'

export { type Entry, entryOf, type RawEntry } from './entry.ts'

/** Consul takes 64 operations in a transaction; one more is answered 413 (seen on 1.8.7). */
export const transactionLimit = 64

export type Outcome =
  | { readonly done: true; readonly entries: readonly Entry[] }
  /** Nothing was written; `failed` holds the positions of the operations that stood in the way. */
  | { readonly done: false; readonly failed: ReadonlySet<number> }

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/**
 * Reads a key, or everything below it.
 * @throws RefusedKey when the agent refuses the key: 1.22 answers 500 with this reason, other versions 400
 */
async function get(consul: Consul, key: string, query: string, large = false): Promise<Answer> {
  const path = `/v1/kv/${key.split('/').map(encodeURIComponent).join('/')}?${query}`
  if (refusable([key]) === undefined) return consul.request('GET', path, { ok: [200, 404], large })
  const answer = await consul.request('GET', path, { ok: [200, 400, 404, 500], large })
  if (answer.status === 400 || (answer.status === 500 && /invalid key/i.test(answer.text))) throw new RefusedKey(key)
  if (answer.status === 500) throw new Temporary(`cannot GET ${path}: Consul answered 500; it is tried again`)
  return answer
}

/**
 * The names of the keys below a prefix, without their values, by a consistent read.
 * Only a 404 that carries Consul's index means "none": any other answer that looks empty is a failure.
 */
export function keysBelow(consul: Consul, prefix: string, large = false): Promise<string[]> {
  return listBelow(consul, prefix, '', large)
}

async function listBelow(consul: Consul, prefix: string, how: string, large = false): Promise<string[]> {
  const answer = await get(consul, prefix, `keys&consistent${how}`, large)
  if (answer.index === null) throw new Temporary(`cannot list ${prefix}: the answer is not Consul's; it is tried again`)
  if (answer.status === 404) {
    await mustBeReadable(consul, [unwritten(prefix)])
    return []
  }
  const keys = parse<unknown>(prefix, answer.text)
  if (!Array.isArray(keys) || !keys.every(key => typeof key === 'string' && key.startsWith(prefix))) {
    throw new Temporary(`cannot list ${prefix}: the answer is not a list of its keys; it is tried again`)
  }
  return keys
}

/** The first path segments below a prefix, each with its slash. The answer stays small however many keys there are. */
export function foldersBelow(consul: Consul, prefix: string): Promise<string[]> {
  return listBelow(consul, prefix, '&separator=/')
}

/**
 * The index of the last change below a prefix that ends with a slash; it may be a later index. The answer is one line,
 * however many keys there are (seen on 1.8.7).
 */
export async function indexBelow(consul: Consul, prefix: string): Promise<string> {
  const folder = prefix.slice(0, -1)
  const { index } = await get(consul, folder, 'keys&separator=/')
  if (index === null) throw new Temporary(`cannot list ${prefix}: the answer is not Consul's; it is tried again`)
  return index
}

/**
 * The same by a consistent read, of a prefix with folders: each folder is one line of the answer. `none` when there is no
 * key below the prefix: Consul then answers with the index of the whole store, which other keys raise (seen on 1.8.7).
 */
export async function indexOf(consul: Consul, prefix: string): Promise<string> {
  const { index, status } = await get(consul, prefix, 'keys&separator=/&consistent')
  if (index === null) throw new Temporary(`cannot list ${prefix}: the answer is not Consul's; it is tried again`)
  return status === 404 ? 'none' : index
}

/** Like `indexBelow`, but `none` when there is no key below the prefix. */
export async function folderIndex(consul: Consul, prefix: string): Promise<string> {
  const { index, status } = await get(consul, prefix.slice(0, -1), 'keys&separator=/')
  if (index === null) throw new Temporary(`cannot list ${prefix}: the answer is not Consul's; it is tried again`)
  return status === 404 ? 'none' : index
}

export interface Below {
  readonly entries: readonly Entry[]
  /** Pass it to the next call, which then waits for later changes. */
  readonly index: string
}

/**
 * Everything below a prefix, by a consistent read. With an index the call waits at most `wait` ms for a change after
 * that index. It may also return without a change.
 */
export async function entriesBelow(consul: Consul, prefix: string, index?: string, wait = 0): Promise<Below> {
  const blocking = index === undefined ? '' : `&index=${index}&wait=${Math.ceil(wait)}ms`
  const answer = await get(consul, prefix, `recurse&consistent${blocking}`)
  if (answer.index === null) throw new Temporary(`cannot read ${prefix}: the answer is not Consul's; it is tried again`)
  const raw = answer.status === 404 ? [] : parse<unknown>(prefix, answer.text)
  if (!Array.isArray(raw)) throw new Temporary(`cannot read ${prefix}: the answer is not a list; it is tried again`)
  return { entries: raw.map(entryOf), index: answer.index }
}

/** Waits at most `wait` ms for a change below a prefix after an index. It may also return without a change. */
export async function changeBelow(consul: Consul, prefix: string, index: number, wait: number): Promise<void> {
  await get(consul, prefix, `keys&index=${index}&wait=${Math.ceil(wait)}ms`)
}

/** One transaction. @throws Temporary when Consul answers anything but "done" or "refused"; RefusedKey */
export function transact(consul: Consul, operations: readonly Operation[]): Promise<Outcome> {
  return send(consul, '/v1/txn', operations)
}

/** A read-only transaction. The leader confirms its leadership before it answers. */
export function look(consul: Consul, operations: readonly Operation[], large = false): Promise<Outcome> {
  return send(consul, '/v1/txn?consistent', operations, large)
}

/**
 * Everything below some prefixes, read at one index. A prefix that holds nothing adds nothing.
 * @param large it may come compressed
 * @throws Denied when the token may not read below one of them
 */
export async function trees(consul: Consul, prefixes: readonly string[], large = false): Promise<readonly Entry[]> {
  const outcome = await look(
    consul,
    prefixes.map(prefix => ({ Verb: 'get-tree', Key: prefix })),
    large,
  )
  if (!outcome.done) throw new Temporary(`cannot read ${prefixes.join(', ')}: Consul refused; it is tried again`)
  const below = apartBelow(outcome.entries, prefixes)
  const bare = prefixes.filter((_, place) => below[place]?.length === 0)
  if (bare.length > 0) await mustBeReadable(consul, bare.map(unwritten))
  return outcome.entries
}

/** The entries below each of these prefixes, of which none is part of another. One pass: they come in order. */
export function apartBelow(entries: readonly Entry[], prefixes: readonly string[]): Entry[][] {
  const below: Entry[][] = prefixes.map(() => [])
  let place = 0
  for (const entry of entries) {
    if (!isBelow(entry, prefixes[place])) place = prefixes.findIndex(prefix => isBelow(entry, prefix))
    below[place]?.push(entry)
  }
  return below
}

function isBelow({ key }: Entry, prefix: string | undefined): boolean {
  return prefix !== undefined && key.startsWith(prefix)
}

/**
 * Reads some keys by their names; missing ones are left out. Keys that the agent refuses are looked up in the list of
 * their folder.
 * @throws Denied when the token may not read one of them
 */
export async function entriesAt(consul: Consul, keys: readonly string[]): Promise<readonly Entry[]> {
  const [taken, others] = apart(keys, key => key)
  const found = await entriesByName(consul, taken)
  if (others.length === 0) return found
  return [...found, ...((await unlessRefused(entriesByName(consul, others), null)) ?? (await listed(consul, others)))]
}

async function listed(consul: Consul, keys: readonly string[]): Promise<readonly Entry[]> {
  const folders = new Set(keys.map(key => key.slice(0, key.lastIndexOf('/') + 1)))
  const wanted = new Set(keys)
  return (await trees(consul, [...folders])).filter(({ key }) => wanted.has(key))
}

async function entriesByName(consul: Consul, keys: readonly string[]): Promise<readonly Entry[]> {
  const found: Entry[] = []
  for (let queue = [...keys]; queue.length > 0; ) {
    const some = queue.slice(0, transactionLimit)
    const outcome = await look(
      consul,
      some.map(Key => ({ Verb: 'get', Key })),
    )
    if (outcome.done) found.push(...outcome.entries)
    // Consul refuses a get of a missing key (seen on 1.8.7); the other keys are read again.
    const rest = outcome.done ? [] : some.filter((_, position) => !outcome.failed.has(position))
    const whole = outcome.done ? outcome.entries.length === some.length : rest.length < some.length
    if (!whole) throw new Temporary(`cannot read ${some.join(', ')}: the answer is not Consul's; it is tried again`)
    queue = [...rest, ...queue.slice(some.length)]
  }
  return found
}

/**
 * Makes sure that keys missing from a list do not exist, rather than being hidden. Consul silently omits from a list
 * what the token may not read, but it answers "denied" to a check of such a key (seen on 1.8.7). Whether the check
 * holds does not matter. @throws Denied for a key that the token may not read
 */
export function mustBeReadable(consul: Consul, keys: readonly string[]): Promise<void> {
  return mayCheck(consul, keys, 'check-index')
}

/** Changes nothing: Consul demands write permission for check-not-exists (seen on 1.8.7). @throws Denied */
export function mustBeWritable(consul: Consul, keys: readonly string[]): Promise<void> {
  return mayCheck(consul, keys, 'check-not-exists')
}

async function mayCheck(consul: Consul, keys: readonly string[], Verb: Operation['Verb']): Promise<void> {
  for (const kind of apart(keys, key => key)) {
    for (let from = 0; from < kind.length; from += transactionLimit) {
      const some = kind.slice(from, from + transactionLimit)
      const asked = look(
        consul,
        some.map(Key => ({ Verb, Key, Index: 0 })),
      )
      await unlessRefused(asked, null) // such a key is unusable anyway
    }
  }
}

/** Whether this agent takes keys that newer agents refuse. @param keys only such keys */
export async function takesKeys(consul: Consul, keys: readonly string[]): Promise<boolean> {
  for (let from = 0; from < keys.length; from += transactionLimit) {
    const some = keys.slice(from, from + transactionLimit)
    const asked = look(
      consul,
      some.map(Key => ({ Verb: 'check-index', Key, Index: 0 })),
    )
    if ((await unlessRefused(asked, null)) === null) return false
  }
  return true
}

/** A key below a prefix that is never written: no encoded id looks like it. Every version takes it. */
export function unwritten(prefix: string): string {
  return `${prefix}~`
}

interface RawOutcome {
  Results: { KV: RawEntry }[] | null
  Errors: { OpIndex: number; What: string }[] | null
}

const reads: ReadonlySet<Operation['Verb']> = new Set([
  ...(['get', 'get-tree', 'check-index', 'check-session', 'check-not-exists'] as const),
])

async function send(consul: Consul, route: string, operations: readonly Operation[], large = false): Promise<Outcome> {
  const body = JSON.stringify(operations.map(operation => ({ KV: operation })))
  const refused = refusable(operations.map(({ Key }) => Key))
  const ok = [200, 409, ...(refused === undefined ? [] : [400])]
  const repeatable = operations.every(({ Verb }) => reads.has(Verb))
  let results = new Results()
  const reader = () => {
    const own = new Results() // an answer that was cut off may still come in pieces while the next one is read
    results = own
    return (text: string) => own.read(text)
  }
  const answer = await consul.request('PUT', route, { body, ok, repeatable, reader, large })
  // Consul does not say which key it was (read from the source of 1.22.5).
  if (answer.status === 400) throw new RefusedKey(refused as string)
  const outcome = parse<RawOutcome>(route, answer.text)
  if (answer.status === 409) {
    const errors = refusals(outcome, operations.length)
    // A missing permission says nothing about the key.
    const denied = errors.find(error => /permission denied/i.test(error.What))
    const operation = denied && operations[denied.OpIndex]
    if (operation) throw new Denied(`${operation.Verb} ${operation.Key}`, permissionForOperation(operation))
    if (denied || errors.length === 0) {
      throw new Temporary(
        `cannot complete a transaction: ${denied?.What ?? 'Consul named no reason'}; it is tried again`,
      )
    }
    return { done: false, failed: new Set(errors.map(error => error.OpIndex)) }
  }
  if (typeof outcome !== 'object' || !(outcome?.Results === null || Array.isArray(outcome?.Results))) {
    throw new Temporary(`cannot complete a transaction: the answer is not Consul's; it is tried again`)
  }
  return { done: true, entries: [...results.entries, ...(outcome.Results ?? []).map(entryIn)] }
}

function entryIn(result: { readonly KV: RawEntry } | null): Entry {
  return entryOf(result?.KV as RawEntry)
}

/** Why each operation was refused; none unless the answer names operations that were sent. */
function refusals(outcome: RawOutcome | null, count: number): NonNullable<RawOutcome['Errors']> {
  const errors = Array.isArray(outcome?.Errors) ? outcome.Errors : []
  const named = errors.every(error => Number.isInteger(error?.OpIndex) && error.OpIndex >= 0 && error.OpIndex < count)
  return named ? errors : []
}
