/** Signals to `lock`: while it waits the first one ends it; while the command runs they go to the command. */
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
        if (ignored.has(os.signals[signal])) return // Node itself forgets that it is
        if (this.#passOn) {
          if (!isTyped(signal)) this.#passOn(signal)
        } else {
          this.first ??= signal
          resolve(null)
        }
      })
    }
  }

  /** From now on they go there. */
  passTo(passOn: (signal: NodeJS.Signals) => void): void {
    this.#passOn = passOn
  }
}

/**
 * What a terminal sends goes to its whole foreground group, the command included: a second one would be an order to
 * hurry.
 */
function isTyped(signal: NodeJS.Signals): boolean {
  if (signal !== 'SIGINT' && signal !== 'SIGQUIT' && signal !== 'SIGHUP') return false
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return group === foreground
}

/**
 * tsx and `watchbill` start a program as their child, with a channel that breaks when they end. Killed with -9 they
 * cannot tell us; and who kills them means us.
 */
export function onOrphaned(act: () => void): void {
  const parent = process.ppid
  if (!process.connected) return
  process.once('disconnect', () => setTimeout(() => process.ppid !== parent && act(), 100))
}
