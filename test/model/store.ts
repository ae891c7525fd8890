/**
 * A model of Consul's key-value store: keys, indexes, sessions and transactions in memory, by the rules seen on Consul
 * 1.8.7. differential.test.ts compares it with a real Consul.
 */
import type { RawEntry } from '../../lib/consul/kv.ts'
import type { Operation } from '../../lib/consul/operation.ts'

export interface TransactionOutcome {
  readonly Results: { KV: RawEntry }[] | null
  readonly Errors: { OpIndex: number; What: string }[] | null
}

export interface StoredSession {
  readonly Name: string
  readonly Node: string
}

/** A copy of everything, as `consul snapshot save` makes it. */
export interface Backup {
  readonly keys: ReadonlyMap<string, RawEntry>
  readonly sessions: ReadonlyMap<string, StoredSession>
}

export class Store {
  /** Raft's index: every write gets a new one. */
  index = 10
  readonly keys = new Map<string, RawEntry>()
  /** Sessions by id. */
  readonly sessions = new Map<string, StoredSession>()
  /** Keys that the token may neither read nor write: lists omit them, and every operation on them is refused. */
  denied: (key: string) => boolean = () => false
  /** Called after each write with the keys that it changed. */
  onWrite: (changed: readonly string[]) => void = () => {}
  #changed: string[] = []
  /** Deleted keys, with the index of the deletion. */
  readonly #gone = new Map<string, number>()

  session(id: string, node: string, name = ''): string {
    this.sessions.set(id, { Name: name, Node: node })
    return id
  }

  /** A plain PUT: keeps the session, and resets LockIndex. @returns the ModifyIndex */
  put(key: string, value: string): number {
    return this.#write(() => this.#set(key, encode(value), this.keys.get(key)?.Session, 0))
  }

  /** @returns the ModifyIndex */
  lock(key: string, session: string, value = ''): number {
    return this.#write(() => {
      if (this.#lock({ Verb: 'lock', Key: key, Session: session, Value: encode(value) }) !== null)
        throw new Error('held')
    })
  }

  remove(key: string): void {
    this.#write(() => this.#delete(key))
  }

  /** Frees all locks of the session, at one index. */
  destroy(id: string): void {
    this.#write(() => {
      this.sessions.delete(id)
      for (const raw of [...this.keys.values()]) {
        if (raw.Session === id) this.#set(raw.Key, raw.Value, undefined, raw.LockIndex)
      }
    })
  }

  /** A key's value as JSON; null when there is none. */
  value(key: string): unknown {
    const raw = this.keys.get(key)
    return raw?.Value ? JSON.parse(Buffer.from(raw.Value, 'base64').toString()) : null
  }

  below(prefix: string): RawEntry[] {
    const found = [...this.keys.values()].filter(({ Key }) => Key.startsWith(prefix) && !this.denied(Key))
    return found.sort((a, b) => (a.Key < b.Key ? -1 : 1)).map(raw => this.entry({ ...raw }))
  }

  /** An entry as Consul's answer has it. */
  entry(raw: RawEntry): RawEntry {
    return raw
  }

  /** The index of the last change below a prefix; Raft's own when there never was a key. */
  indexBelow(prefix: string): number {
    const gone = [...this.#gone].filter(([key]) => key.startsWith(prefix)).map(([, index]) => index)
    const indexes = [...this.below(prefix).map(({ ModifyIndex }) => ModifyIndex), ...gone]
    return indexes.length > 0 ? Math.max(...indexes) : this.index
  }

  backup(): Backup {
    return structuredClone({ keys: this.keys, sessions: this.sessions })
  }

  /** Restores a backup. Raft's index goes on. */
  restore({ keys, sessions }: Backup): void {
    this.#write(() => {
      this.#changed.push(...this.keys.keys(), ...keys.keys())
      this.keys.clear()
      this.sessions.clear()
      for (const [key, raw] of keys) this.keys.set(key, { ...raw })
      for (const [id, session] of sessions) this.sessions.set(id, session)
    })
  }

  /** Does all operations or none; in the latter case it names every operation that was refused. */
  transact(operations: readonly Operation[]): TransactionOutcome {
    const before = [...this.keys].map(([key, raw]) => [key, { ...raw }] as const)
    const Errors: { OpIndex: number; What: string }[] = []
    const results: RawEntry[] = []
    // A read-only transaction is no entry in Raft's log.
    const reads = operations.every(({ Verb }) => /^(get$|get-|check-)/.test(Verb))
    const carryOut = (change: () => void) => (reads ? change() : this.#write(change))
    carryOut(() => {
      for (const [OpIndex, operation] of operations.entries()) {
        const outcome = this.#operation(operation)
        if (typeof outcome === 'string') Errors.push({ OpIndex, What: outcome })
        else results.push(...outcome)
      }
      if (Errors.length === 0) return
      this.keys.clear()
      for (const [key, raw] of before) this.keys.set(key, raw)
      this.#changed = []
    })
    if (Errors.length > 0) return { Results: null, Errors }
    return { Results: results.map(raw => ({ KV: this.entry(raw) })), Errors: null }
  }

  #write(change: () => unknown): number {
    this.index++
    this.#changed = []
    change()
    const changed = this.#changed
    this.#changed = []
    if (changed.length > 0) this.onWrite(changed)
    return this.index
  }

  /** The entries of the answer, or why the operation is refused. */
  #operation(operation: Operation): RawEntry[] | string {
    const { Verb, Key, Index = 0, Session = '', Value } = operation
    if (Verb !== 'get-tree' && this.denied(Key)) return 'Permission denied'
    const raw = this.keys.get(Key)
    const answered = () => [{ ...(this.keys.get(Key) as RawEntry), Value: null }]
    switch (Verb) {
      case 'get-tree':
        return this.below(Key)
      case 'get':
        return raw ? [raw] : `key "${Key}" doesn't exist`
      case 'check-index':
        return raw?.ModifyIndex === Index ? answered() : `current modify index ${raw?.ModifyIndex} != ${Index}`
      case 'check-session':
        return raw && (raw.Session ?? '') === Session ? answered() : 'not its session'
      case 'check-not-exists':
        return raw ? `key "${Key}" exists` : []
      case 'lock':
        return this.#lock(operation) ?? answered()
      case 'unlock':
        if (!raw || (raw.Session ?? '') !== Session) return "lock isn't held, or is held by another session"
        this.#set(Key, Value ?? null, undefined, raw.LockIndex)
        return answered()
      case 'cas':
        if ((raw?.ModifyIndex ?? 0) !== Index) return 'index is stale'
        this.#set(Key, Value ?? null, raw?.Session, 0)
        return answered()
      case 'set':
        this.#set(Key, Value ?? null, raw?.Session, 0)
        return answered()
      case 'delete-cas':
        // A missing key counts as deleted, whatever index is given.
        if (raw && raw.ModifyIndex !== Index) return 'index is stale'
        this.#delete(Key)
        return []
      case 'delete':
        this.#delete(Key)
        return []
    }
  }

  #lock({ Key, Session = '', Value }: Operation): string | null {
    const raw = this.keys.get(Key)
    if (!this.sessions.has(Session)) return 'invalid session'
    if (raw?.Session && raw.Session !== Session) return 'lock is already held'
    // A session that locks its own lock again does not change LockIndex, even when that is 0.
    this.#set(Key, Value ?? null, Session, raw?.Session ? raw.LockIndex : (raw?.LockIndex ?? 0) + 1)
    return null
  }

  #set(Key: string, Value: string | null, Session: string | undefined, LockIndex: number): void {
    const before = this.keys.get(Key)
    // A write that changes nothing does not count: the key keeps its index, and watches do not fire.
    if (before && same(before, { Value, Session, LockIndex })) return
    const CreateIndex = before?.CreateIndex ?? this.index
    const held = Session === undefined ? {} : { Session }
    this.keys.set(Key, { Key, Value: Value || null, ...held, CreateIndex, ModifyIndex: this.index, LockIndex })
    this.#changed.push(Key)
  }

  #delete(key: string): void {
    if (!this.keys.delete(key)) return
    this.#changed.push(key)
    this.#gone.set(key, this.index)
  }
}

type Content = Pick<RawEntry, 'Value' | 'LockIndex'> & { readonly Session?: string | undefined }

function same(a: Content, b: Content): boolean {
  return (a.Value ?? '') === (b.Value ?? '') && a.Session === b.Session && a.LockIndex === b.LockIndex
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}
