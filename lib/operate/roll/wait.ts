/** Waits for the end of a roll-out, with a progress bar on a terminal and a line for each change elsewhere. */
import { setTimeout as delay } from 'node:timers/promises'
import { seconds } from '../../base/clock.ts'
import { Permanent, Temporary } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import type { Consul } from '../../consul/http.ts'
import { isOver, type Roll } from '../../keys/roll.ts'
import { adviceFor, rollWords } from '../../roll/words.ts'
import { currentRoll } from './order.ts'

const every = 500
const width = 30

/** Where the progress goes. */
export interface Screen {
  readonly isTerminal: boolean
  readonly write: (text: string) => void
}

/**
 * @param limit ms @param wanted `reverted` for who has asked for that
 * @returns the record at its end
 * @throws Permanent when it went back; Temporary when it waits for a person, or the time is over
 */
export async function waitForRoll(
  consul: Consul,
  service: string,
  id: string,
  limit: number,
  screen: Screen,
  wanted: 'done' | 'reverted' = 'done',
): Promise<Roll> {
  const end = performance.now() + limit
  let last = ''
  for (;;) {
    const roll = await currentRoll(consul, service)
    if (roll === null || roll.id !== id)
      throw new Temporary(
        `cannot wait for the roll-out of ${service}: it is over, and another one began; see watchbill roll`,
      )
    const line = screen.isTerminal ? bar(roll) : printable(rollWords(roll))
    if (line !== last) screen.write(screen.isTerminal ? `\r${line}` : `${line}\n`)
    last = line
    const over = roll.state === wanted ? 'done' : outcome(service, roll)
    if (over !== null && screen.isTerminal) screen.write('\n')
    if (over === 'done') return roll
    if (over !== null) throw over
    if (performance.now() > end)
      throw new Temporary(`cannot wait longer than ${seconds(limit)}: ${rollWords(roll)}; it goes on`)
    await delay(every)
  }
}

/** Null while it goes on by itself. */
function outcome(service: string, roll: Roll): 'done' | Error | null {
  if (roll.state === 'done') return 'done'
  if (isOver(roll)) return new Permanent(`cannot finish: ${rollWords(roll)}; correct the version, then roll again`)
  const advice = adviceFor(service, roll)
  return advice === '' ? null : new Temporary(`cannot go on: ${rollWords(roll)}; ${advice}`)
}

/** One line that overwrites the one before. */
function bar(roll: Roll): string {
  const done = roll.of === 0 ? width : Math.round((width * roll.reached) / roll.of)
  return `[${'#'.repeat(done)}${'.'.repeat(width - done)}] ${printable(rollWords(roll))}\u001b[K`
}
