/** Runs the due checks of this instance's partitions and the hooks that wait in the queue. */

import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import type { Definition } from '../definition/definition.ts'
import { deliver } from '../hooks/deliver.ts'
import { isAnythingWaiting } from '../hooks/queue.ts'
import { reconcile } from '../reconcile.ts'
import { definitionInForce } from '../state/definition.ts'
import { makeDirectory, readFact, removeFact, writeFact } from '../state/facts.ts'
import { isGoneDue } from '../state/gone.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { leftToOther } from '../state/handler-mark.ts'
import type { Run } from '../state/self.ts'
import { endDrain, react } from './react.ts'
import { tend } from './tend.ts'

const done = 'checks and hooks are done'

/**
 * @param window how long to stay for checks that are due soon, ms
 * @returns what was done, as a sentence
 */
export async function attend(run: Run, window: number): Promise<string> {
  const definition = definitionInForce(run.files)?.definition
  if (!definition) return 'nothing to do: this instance has never taken part'
  for (const directory of [run.files.events, run.files.checksLock]) makeDirectory(directory)
  const metrics = tendMetrics(run, definition)
  const delivery = new Delivery(run, definition)
  if (isAnythingWaiting(run.files)) delivery.begin()
  else removeFact(run.files.eventsDue)
  const gone = forgetGone(run)
  try {
    await tryToEndDrain(run)
    if (readFact(run.files.checksDue) === null) return done
    const round = () => tend(run, definition, window, () => delivery.begin())
    return (await asOnlyHandler(run.files.checksLock, round)) ? done : leftToOther
  } finally {
    await delivery.end()
    await metrics
    await gone
  }
}

/** Most services have nothing to be fetched or written. */
async function tendMetrics(run: Run, definition: Definition): Promise<void> {
  if (definition.metrics === undefined) return
  const { tendMetrics } = await import('./metrics/textfile.ts')
  await tendMetrics(run, definition)
}

/** Most rounds find that it is not due yet. */
async function forgetGone(run: Run): Promise<void> {
  if (!isGoneDue(run.files, bootClock())) return
  const { forgetGone } = await import('./gone.ts')
  await forgetGone(run).catch(error => run.log(reason(error)))
}

/** If Consul is away, the drain goes on until the next round. The checks do not wait for it. */
async function tryToEndDrain(run: Run): Promise<void> {
  try {
    if (await endDrain(run)) await reconcile(run)
  } catch (error) {
    run.log(`end of the drain: ${reason(error)}`)
  }
}

/** Runs hooks at the same time as the round of checks, and again when the round brings new events. */
class Delivery {
  readonly #work: () => Promise<unknown>
  #running: Promise<unknown> | null = null
  #failure: { readonly error: unknown } | null = null

  constructor(run: Run, definition: Definition) {
    this.#work = () =>
      asOnlyHandler(run.files.events, () =>
        deliver(run, definition, { react: (event, reaction) => react(run, definition, event, reaction) }),
      )
  }

  begin(): void {
    this.#running ??= this.#work()
      .catch(error => {
        this.#failure = { error }
      })
      .finally(() => {
        this.#running = null
      })
  }

  /** Waits for the hooks. @throws the error of a failed delivery */
  async end(): Promise<void> {
    while (this.#running !== null) await this.#running
    if (this.#failure) throw this.#failure.error
  }
}

/** Makes the next round of checks due at once. */
export function attendSoon({ files }: Pick<Run, 'files'>): void {
  writeFact(files.checksDue, String(bootClock()))
}
