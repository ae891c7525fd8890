/** One key, in the form of Consul's API and as the programs use it. */
import { Temporary } from '../base/errors.ts'

/** One key as Consul holds it. `value` is decoded text; null when the key has none. */
export interface Entry {
  readonly key: string
  readonly value: string | null
  /** The session that holds the key; null when it is free. */
  readonly session: string | null
  readonly createIndex: number
  readonly modifyIndex: number
  readonly lockIndex: number
}

/** An entry in the form of Consul's API; the value is base64. */
export interface RawEntry {
  Key: string
  Value: string | null
  Session?: string
  CreateIndex: number
  ModifyIndex: number
  LockIndex: number
}

/** @throws Temporary when it does not have the form of Consul's entries */
export function entryOf(raw: RawEntry): Entry {
  const { Key, Value, Session, CreateIndex, ModifyIndex, LockIndex } = (raw ?? {}) as Partial<RawEntry>
  const texts = typeof Key === 'string' && isTextOrNothing(Value) && isTextOrNothing(Session)
  if (!texts || !isNumber(CreateIndex) || !isNumber(ModifyIndex) || !isNumber(LockIndex)) {
    throw new Temporary(`cannot read Consul's answer: it holds something that is not a key; it is tried again`)
  }
  return {
    key: raw.Key,
    value: raw.Value ? Buffer.from(raw.Value, 'base64').toString() : null,
    session: raw.Session || null,
    createIndex: raw.CreateIndex,
    modifyIndex: raw.ModifyIndex,
    lockIndex: raw.LockIndex,
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}

function isTextOrNothing(value: unknown): boolean {
  return value === null || value === undefined || typeof value === 'string'
}
