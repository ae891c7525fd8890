/** Shared by the watch handlers: exit at once when nothing changed for this instance, otherwise reconcile. */

import { makeDirectory, readFact, writeFact } from '../state/facts.ts'
import { leaveToHolder, leftToOther } from '../state/handler-mark.ts'
import type { Self } from '../state/self.ts'
import { exit, print } from './frame.ts'
import { dryRunArg, type InstanceArgs, instanceArgs, thisInstance } from './instance-args.ts'
import { readStdin } from './stdin.ts'

export const watchArgs = { ...instanceArgs, ...dryRunArg } as const

/** The whole run's limit: a stop may take its grace period, and a hung handler blocks its watch. */
export const handlerDeadline = 120_000

export interface Watch {
  /** The handler's name, also of the file that keeps its last digest. */
  readonly handler: string
  /** Reduces stdin to the lines that can matter for this instance. An error ends the run before anything was done. */
  readonly digest: (text: string, here: Self) => string
  /** Called first, with the lines of the digest that have gone and come. @returns false when that needs no reconcile */
  readonly onChange?: (here: Self, gone: readonly string[], come: readonly string[]) => boolean
  /** Runs instead of a reconcile. @returns what it did, as a sentence */
  readonly act?: (here: Self) => Promise<string>
}

export async function onWatch(
  { handler, digest, onChange = () => true, act }: Watch,
  args: InstanceArgs & { readonly 'dry-run'?: boolean | undefined },
): Promise<number> {
  const here = thisInstance(args)
  const text = readStdin()
  const seen = text === '' ? null : digest(text, here).trimEnd() // null: run by hand without input, so do not exit early
  const dryRun = args['dry-run'] ?? false
  const file = here.files.seen(handler)
  const before = readFact(file)
  if (!dryRun && seen !== null && before === seen) return exit.done
  if (!dryRun && seen !== null && !callOnChange(onChange, here, before ?? '', seen)) {
    writeFact(file, seen)
    return exit.done
  }
  if (act && !dryRun) {
    if (seen !== null) writeFact(file, seen)
    print(`${here.instance}: ${await act(here)}`)
    return exit.done
  }
  // Of many handlers started at once only one needs to load the rest: the others would find the lock taken.
  if (!dryRun && leaveToHolder(here.files.directory)) print(`${here.instance}: ${leftToOther}`)
  else {
    const { reconcileOnce } = await import('./once.ts')
    print(await reconcileOnce(handler, here, dryRun))
  }
  if (!dryRun && seen !== null) {
    makeDirectory(here.files.directory)
    writeFact(file, seen)
  }
  return exit.done
}

function callOnChange(onChange: Required<Watch>['onChange'], here: Self, before: string, now: string): boolean {
  const [old, fresh] = [before.split('\n'), now.split('\n')]
  const without = (lines: readonly string[], others: readonly string[]) => {
    const known = new Set(others)
    return lines.filter(line => line !== '' && !known.has(line))
  }
  return onChange(here, without(old, fresh), without(fresh, old))
}
