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
import { program } from '../lib/program/frame.ts'
import { handlerDeadline, onWatch, watchArgs } from '../lib/program/watch-handler.ts'
import { removeFact } from '../lib/state/facts.ts'
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

/** A request to fetch the set needs no reconcile: the guard's next tick starts the fetch. */
function onChange(here: Self, gone: readonly string[], come: readonly string[]): boolean {
  const isRequest = (line: string) => line.startsWith(`${keysOf(here.service).sync} `)
  if (come.some(isRequest)) removeFact(here.files.sourceDue)
  const lines = [...gone, ...come]
  return lines.length === 0 || !lines.every(isRequest)
}
