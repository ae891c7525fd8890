/** The checks of all partitions that run here, each with its state. */

import { encode } from '../base/names.ts'
import type { CheckDefinition } from '../definition/checks.ts'
import type { Definition } from '../definition/definition.ts'
import { hash } from '../roster/rendezvous.ts'
import { makeDirectory } from '../state/facts.ts'
import { isAssumed, type Local } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { readyCheck } from '../state/ready.ts'
import { type CheckFiles, type CheckState, checkFiles, fresh, readState, writeState } from './state.ts'

/** One check of one partition that runs here. */
export class Watched {
  readonly partition: string
  readonly acquisition: string
  readonly check: CheckDefinition
  readonly files: CheckFiles
  #state: CheckState

  /** @param urgent something waits for its first run */
  constructor(
    partition: string,
    acquisition: string,
    check: CheckDefinition,
    files: CheckFiles,
    now: number,
    urgent = false,
  ) {
    this.partition = partition
    this.acquisition = acquisition
    this.check = check
    this.files = files
    this.#state = readState(files, acquisition) ?? this.#begin(now, urgent)
  }

  get state(): CheckState {
    return this.#state
  }

  set state(state: CheckState) {
    if (state === this.#state) return
    this.#state = state
    writeState(this.files, state)
  }

  /** The first run comes at a random time within the interval, so that 200 checks do not always run at once. */
  #begin(now: number, urgent: boolean): CheckState {
    makeDirectory(this.files.directory)
    const { intervalMs } = this.check
    const spread = Math.abs(hash(`${encode(this.partition)} ${this.check.id}`)) % intervalMs
    return fresh(this.acquisition, now, urgent ? now : now + spread)
  }
}

/** A partition's checks run while its lock is assumed and its process is not being stopped. */
export function isHere(local: Local): boolean {
  return isAssumed(local) && local.shepherd !== null
}

export function watchedIn(
  files: InstanceFiles,
  definition: Definition,
  local: ReadonlyMap<string, Local>,
  now: number,
): Watched[] {
  const ready = readyCheck(definition)
  return [...local].flatMap(([partition, one]) =>
    isHere(one)
      ? definition.checks.map(check => {
          const own = checkFiles(files.partition(partition), check.id)
          const urgent = check.id === ready
          return new Watched(partition, one.acquisition as string, check, own, now, urgent)
        })
      : [],
  )
}
