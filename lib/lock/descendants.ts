/** The processes that come from the command: finds and signals them by the command's mark in /proc, whatever /proc can show. */
import { reason } from '../base/errors.ts'
import { AlreadyThere } from '../machine/already-there.ts'
import { Handles } from '../machine/handles.ts'
import { type Process, processOf, signal } from '../machine/identity.ts'
import { livingOf } from '../process/containment/containment.ts'
import type { Mark } from './mark.ts'
import { withSpare } from './spare.ts'
import { lookSurely } from './sure-look.ts'

export class Descendants {
  /** The command itself, as far as /proc could show it. */
  command: Process | null = null
  /** Why the last look at /proc failed. */
  blind = ''
  /** The last look missed nobody. */
  isSure = false
  readonly #mark: Mark
  /** Handles of processes, to signal them when /proc cannot be read. */
  readonly #handles = new Handles()
  readonly #older = new AlreadyThere()

  constructor(mark: Mark) {
    this.#mark = mark
  }

  /** Called before the command is started: looks leave out whoever is there already. @throws never */
  prepare(): void {
    this.#older.remember()
  }

  /** @param pid of the command */
  begin(pid: number): void {
    try {
      this.command = processOf(pid)
    } catch {
      // /proc cannot be read: the command is then known only as our child.
    }
  }

  /** The living command and descendants; null when /proc cannot be read: `blind` says why. @throws never */
  left(): readonly Process[] | null {
    try {
      const { living, sure } = withSpare(() => lookSurely(() => this.#living()))
      this.isSure = sure
      this.#handles.keep(living)
      return living
    } catch (error) {
      this.blind = reason(error)
      return null
    }
  }

  /** @param but the pid of a process that is signalled otherwise */
  signal(name: NodeJS.Signals, but?: number): void {
    try {
      withSpare(() => {
        for (const process of this.#living()) if (process.pid !== but) signal(process, name)
      })
    } catch {
      this.#handles.signal(name) // /proc cannot be read: signal by handle, and try again until it can
    }
  }

  /** @throws when /proc cannot be read */
  #living(): readonly Process[] {
    const traits = { key: '', mark: this.#mark.number, group: null, recorded: this.command }
    return livingOf([traits], this.#older).get('') ?? []
  }
}
