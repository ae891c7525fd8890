/** Plays trials one after the other on one cluster, without a reset in between, and reports each. */
import { appendFileSync, readFileSync } from 'node:fs'
import { reason } from '../../lib/base/errors.ts'
import type { Lab } from './lab.ts'
import { type Outcome, run, type Trial } from './trial.ts'

export type Played = (Outcome & { readonly trial: number }) | Broken

/** A trial that could not be played: it counts as failed. */
export interface Broken {
  readonly trial: number
  readonly faultNames: readonly string[]
  readonly hosts: readonly string[]
  readonly faults: readonly string[]
}

export function isWhole(played: Played): played is Outcome & { readonly trial: number } {
  return 'overlap' in played
}

/** @param told called after each trial; @param from the first trial to play, when earlier ones were played before */
export async function play(
  lab: Lab,
  trials: readonly Trial[],
  told: (played: Played) => void,
  from = 0,
): Promise<void> {
  for (const [trial, what] of [...trials.entries()].slice(from)) {
    try {
      told({ trial, ...(await run(lab, what)) })
    } catch (error) {
      const faultNames = what.faults.map(({ name }) => name)
      told({ trial, faultNames, hosts: what.hosts, faults: [reason(error).split('\n')[0] as string] })
      await lab.mend()
      await lab.settled() // a cluster that does not settle cannot be judged
    }
  }
}

/** The progress of a campaign: its parameters on the first line, then one line per played trial. */
export interface Progress {
  readonly seed: number
  readonly count: number
  readonly gossip: string
  readonly clients: number
}

export function begin(file: string, progress: Progress): void {
  appendFileSync(file, `${JSON.stringify(progress)}\n`)
}

export function note(file: string, played: Played): void {
  appendFileSync(file, `${JSON.stringify(played)}\n`)
}

/** @throws SyntaxError when a line is not JSON */
export function resume(file: string): { progress: Progress; played: Played[] } {
  const [first, ...others] = readFileSync(file, 'utf8').trim().split('\n')
  return { progress: JSON.parse(first ?? '') as Progress, played: others.map(line => JSON.parse(line) as Played) }
}
