/** The program `roll`, and `restart --rolling`: begin, see, order, wait. */
import { Permanent } from '../../base/errors.ts'
import type { Consul } from '../../consul/http.ts'
import { print } from '../../program/frame.ts'
import { waitLimit } from '../../program/operator.ts'
import { type Order, orders } from '../../roll/next.ts'
import { beginRoll } from './begin.ts'
import { optionsFrom, type RollWords } from './options.ts'
import { currentRoll, orderRoll } from './order.ts'
import { waitForRoll } from './wait.ts'
import { begunLines, details, nowWords, wouldLines } from './words.ts'

export interface RollAsked extends RollWords, Partial<Readonly<Record<Order, boolean | undefined>>> {
  readonly to?: string | undefined
  readonly status?: boolean | undefined
  readonly wait?: string | undefined
  readonly json?: boolean | undefined
  readonly 'dry-run'?: boolean | undefined
}

/** @throws Permanent when the arguments are wrong, or do not go together */
export function mustMeanOne(asked: RollAsked): void {
  const given = orders.filter(order => asked[order])
  if (given.length + Number(asked.to !== undefined) + Number(asked.status === true) > 1)
    throw new Permanent(
      `cannot read the arguments: give one of --to, --status, ${orders.map(one => `--${one}`).join(', ')}`,
    )
  optionsFrom(asked)
  if (asked.wait !== undefined) waitLimit(asked.wait)
}

/** The program `roll`. @throws Permanent, Temporary as `beginRoll`, `orderRoll` and `waitForRoll` */
export async function roll(consul: Consul, service: string, asked: RollAsked): Promise<void> {
  const order = orders.find(order => asked[order])
  if (asked.to !== undefined) return begin(consul, service, asked.to, asked)
  const dryRun = asked['dry-run'] ?? false
  const ordered = order === undefined ? null : await orderRoll(consul, service, order, dryRun)
  const now = ordered?.roll ?? (await currentRoll(consul, service))
  if (asked.json && asked.wait === undefined) return print(JSON.stringify({ service, roll: now, dryRun }))
  if (now === null) return print(`${service}: no version was ever rolled out`)
  if (asked.wait !== undefined && !dryRun) return await wait(consul, service, now.id, asked, order === 'revert')
  const would = order !== undefined && ordered !== null && dryRun ? wouldLines(order, ordered) : []
  print([nowWords(service, now), ...(order === undefined ? details(now) : would)])
}

/** Begins one, and waits for its end when that is asked for. @param to null for a restart of everything */
export async function begin(consul: Consul, service: string, to: string | null, asked: RollAsked): Promise<void> {
  const dryRun = asked['dry-run'] ?? false
  const begun = await beginRoll(consul, service, to, optionsFrom(asked), dryRun)
  if (asked.json && (asked.wait === undefined || begun.roll === null))
    return print(JSON.stringify({ service, roll: begun.roll, dryRun }))
  if (begun.roll === null || asked.wait === undefined || dryRun) return print(begunLines(service, to, begun, dryRun))
  await wait(consul, service, begun.roll.id, asked)
}

async function wait(
  consul: Consul,
  service: string,
  id: string,
  { wait: limit = '60m', json }: RollAsked,
  isBack = false,
): Promise<void> {
  const isTerminal = process.stdout.isTTY === true && !json
  const write = (text: string) => {
    if (!json) process.stdout.write(text)
  }
  const roll = await waitForRoll(
    consul,
    service,
    id,
    waitLimit(limit),
    { isTerminal, write },
    isBack ? 'reverted' : 'done',
  )
  if (json) print(JSON.stringify({ service, roll }))
}
