/**
 * `cooldown/<partition>`: an instance gave the partition up because of a check, and may not take it back for a while.
 * Every instance reads these keys for the roster, so that all compute the same one.
 */

import { Temporary } from '../base/errors.ts'
import { decode, type Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, transact, trees } from '../consul/kv.ts'

export interface CoolDown {
  readonly instance: string
  /** Wall clock, ms. The machines' clocks need not agree: a partition that has moved stays where it is. */
  readonly until: number
  /** Why, in words. */
  readonly why: string
  /** When the partition was given up because of a check, wall clock, ms: the last hour's times, newest last. */
  readonly moves: readonly number[]
}

const hour = 3_600_000

/** Null for a garbled value: it keeps the partition from no instance. */
export function coolDownFrom(text: string | null): CoolDown | null {
  try {
    const { instance, until, why, moves } = JSON.parse(text ?? '{}') as Record<string, unknown>
    const times = Array.isArray(moves) ? moves.map(at => Date.parse(String(at))).filter(Number.isFinite) : []
    const end = Date.parse(String(until))
    if (typeof instance !== 'string' || !Number.isFinite(end)) return null
    return {
      instance,
      until: end,
      why: typeof why === 'string' ? why.replace(/\p{Cc}/gu, ' ').slice(0, 500) : '',
      moves: times,
    }
  } catch {
    return null
  }
}

function coolDownValue({ instance, until, why, moves }: CoolDown): string {
  const iso = (ms: number) => new Date(ms).toISOString()
  return JSON.stringify({ instance, until: iso(until), why, moves: moves.map(iso) })
}

/** The cool-downs in force. @param entries the keys below `prefix` */
export function coolDowns(entries: readonly Entry[], prefix: string, now: number): Map<string, CoolDown> {
  return new Map(
    entries.flatMap(({ key, value }) => {
      const id = decode(key.slice(prefix.length))
      const found = coolDownFrom(value)
      return id !== null && found !== null && found.until > now ? [[id, found] as const] : []
    }),
  )
}

/**
 * Begins a cool-down, and makes every instance look again.
 * @returns false when the partition moved `most` times within the last hour: then it stays
 * @throws Temporary when others keep changing the key
 */
export async function beginCoolDown(
  consul: Consul,
  keys: Keys,
  partition: string,
  begun: { readonly instance: string; readonly coolDownMs: number; readonly why: string },
  most: number,
): Promise<boolean> {
  const key = keys.coolDown(partition)
  for (let attempt = 0; attempt < 5; attempt++) {
    const now = Date.now()
    const entry = (await trees(consul, [key])).find(found => found.key === key)
    const recent = (coolDownFrom(entry?.value ?? null)?.moves ?? []).filter(at => now - at < hour)
    if (recent.length >= most) return false
    const { instance, coolDownMs, why } = begun
    const value = base64(coolDownValue({ instance, until: now + coolDownMs, why, moves: [...recent, now] }))
    const outcome = await transact(consul, [
      { Verb: 'cas', Key: key, Index: entry?.modifyIndex ?? 0, Value: value },
      { Verb: 'set', Key: keys.look, Value: base64(JSON.stringify({ instance, gives: partition })) },
    ])
    if (outcome.done) return true
  }
  throw new Temporary(`cannot write ${key}: others keep changing it; it is tried again`)
}
