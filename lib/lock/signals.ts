/** Signals to `lock`: while it waits, the first one ends it; while the command runs, they are passed to the command. */
import { readFileSync } from 'node:fs'
import { constants as os } from 'node:os'
import { ignoredSignals } from '../machine/caller.ts'

const passed = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const

export class Signals {
  /** The first that came while there was no command. */
  first: NodeJS.Signals | null = null
  /** Resolves when `first` is set. */
  readonly came: Promise<null>
  #passOn: ((signal: NodeJS.Signals) => void) | null = null

  constructor() {
    const { promise, resolve } = Promise.withResolvers<null>()
    this.came = promise
    const ignored = new Set(ignoredSignals())
    for (const signal of passed) {
      process.on(signal, () => {
        if (ignored.has(os.signals[signal])) return // Node does not keep an ignored signal ignored
        if (this.#passOn) {
          if (!isTyped(signal)) this.#passOn(signal)
        } else {
          this.first ??= signal
          resolve(null)
        }
      })
    }
  }

  /** From now on signals are passed to `passOn`. */
  passTo(passOn: (signal: NodeJS.Signals) => void): void {
    this.#passOn = passOn
  }
}

/**
 * Whether a terminal sent the signal. It goes to the whole foreground group, the command included: passed on, it would
 * arrive twice, and many programs take a second signal as an order to stop at once.
 */
function isTyped(signal: NodeJS.Signals): boolean {
  if (signal !== 'SIGINT' && signal !== 'SIGQUIT' && signal !== 'SIGHUP') return false
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return group === foreground
}

/**
 * tsx and `watchbill` start a program as their child, with a channel that closes when they end. When they are killed with
 * -9 they cannot pass the signal on, although it was meant for this program.
 */
export function onOrphaned(act: () => void): void {
  const parent = process.ppid
  if (!process.connected) return
  process.once('disconnect', () => setTimeout(() => process.ppid !== parent && act(), 100))
}
