/**
 * The turn: one machine at a time is powered off in the whole cluster. It is held by a session of its own, which ends soon when its
 * program or machine dies; whoever comes next begins from the start.
 */
import { Temporary } from '../base/errors.ts'
import type { Consul } from '../consul/http.ts'
import { transact } from '../consul/kv.ts'
import { destroySession, newSession, renewSession } from '../consul/session.ts'
import { type Begun, endingTurn, type Power, type PowerRecord, takingTurn, writingDown } from '../keys/power.ts'

const ttl = '15s'
const renewEvery = 4000

/** What became of it, and the commands of the last hour. */
export interface Outcome {
  readonly record: PowerRecord
  readonly begun: readonly Begun[]
}

/**
 * Takes the turn, does the work, and writes down what became of it. Where the work throws, the record stays `under way`.
 * @param power as it was read @returns null when somebody else was faster
 */
export async function inTurn(
  consul: Consul,
  power: Power,
  node: string,
  first: Outcome,
  work: (session: string) => Promise<Outcome>,
): Promise<Outcome | null> {
  const session = await newSession(consul, `watchbill power off ${node}`, ttl)
  const timer = setInterval(() => void renewSession(consul, session).catch(() => {}), renewEvery)
  try {
    const taken = await transact(consul, takingTurn(power, node, session, first.record, first.begun))
    if (!taken.done) return null
    const outcome = await work(session)
    const ended = await transact(consul, endingTurn(node, session, outcome.record, outcome.begun))
    if (ended.done) return outcome
    throw new Temporary(`cannot write down what became of ${node}: the turn was lost; see watchbill events`)
  } finally {
    clearInterval(timer)
    await destroySession(consul, { ID: session }).catch(() => {}) // its TTL ends it
  }
}

/**
 * Writes down that a machine is off, before anybody acts on it: when this program dies after it has marked some locks, the record
 * still convicts a machine that takes part again in the same boot. @throws Temporary when the turn was lost
 */
export async function writeDown(consul: Consul, node: string, session: string, record: PowerRecord): Promise<void> {
  const { done } = await transact(consul, writingDown(node, session, record))
  if (!done) throw new Temporary(`cannot write down that ${node} is off: the turn was lost; see watchbill events`)
}
