/**
 * Runs when:      the partition set or the settings changed (prefix spec/), or a partition was released for this
 *                 instance (prefix wake/<instance>/): Consul's keyprefix watches
 * Reads:          stdin (the keys), Consul, the state directory
 * May change:     this instance's locks and processes, the service's partition set, the state directory
 * Never changes:  what another instance holds
 * Exits:          0 done, or nothing changed; 100 stdin or the definition is wrong; 111 Consul is away
 */

import { keysOf } from '../lib/base/names.ts'
import { keyprefixDigest } from '../lib/consul/watch.ts'
import { isCrowd } from '../lib/look/looked.ts'
import { program } from '../lib/program/frame.ts'
import { handlerDeadline, onWatch, watchArgs } from '../lib/program/watch-handler.ts'
import { readFact, removeFact } from '../lib/state/facts.ts'
import { schedulerChanged, scheduleSoon } from '../lib/state/scheduling.ts'
import type { Self } from '../lib/state/self.ts'

program({
  name: 'on-keyprefix',
  about: 'Run by Consul: the partition set or the settings changed, or a partition was released for this instance.',
  args: {
    ...watchArgs,
    watch: { type: 'enum', options: ['spec', 'wake'], description: 'which watch runs it', default: 'spec' },
  },
  deadline: handlerDeadline,
  run: args => onWatch({ handler: `on-keyprefix.${args.watch}`, digest: keyprefixDigest, onChange }, args),
})

/**
 * A request to fetch the set, or to the scheduler, needs no reconcile: the guard's next tick starts what is to answer it. Nor does a new member where there are
 * many, since it takes by itself what nobody has: each of the others looks when its next look is due, not all at once.
 */
function onChange(here: Self, gone: readonly string[], come: readonly string[]): boolean {
  const { sync, asked, joined } = keysOf(here.service)
  if (come.some(line => isOf(sync, line))) removeFact(here.files.sourceDue)
  if (come.some(line => isOf(asked, line))) startScheduler(here)
  const lines = [...gone, ...come]
  const canWait = (line: string) => isOf(sync, line) || isOf(asked, line) || (isOf(joined, line) && isCrowd(here.files))
  return lines.length === 0 || !lines.every(canWait)
}

/** Somebody asked something of the scheduler. On the other instances there is nothing to do. */
function startScheduler(here: Self): void {
  if (readFact(here.files.schedulerBy) !== here.instance) return
  schedulerChanged(here.files)
  scheduleSoon(here.files)
}

function isOf(key: string, line: string): boolean {
  return line.startsWith(`${key} `)
}
