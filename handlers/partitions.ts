/**
 * Runs when:      an operator wants to see or change the partition set, from any agent
 * Reads:          Consul
 * May change:     partition/ and spec/revision; a new partition's lock
 * Never changes:  a lock that is there
 * Exits:          0 done, or nothing to do
 */
import type { Consul } from '../lib/consul/http.ts'
import { Permanent } from '../lib/errors.ts'
import { print, program } from '../lib/frame.ts'
import { encode, type Keys, keysOf } from '../lib/names.ts'
import { consulArgs, jsonArg, mustKnow, serviceArg, withConsul } from '../lib/operator.ts'
import { addPartitions, type Change, readPartitions, removePartitions } from '../lib/partitions/set.ts'
import { byName, listed } from '../lib/plan-sentence.ts'
import { table } from '../lib/table.ts'

program({
  name: 'partitions',
  about: 'Lists the partitions of a service, or adds, removes or sets them.',
  args: {
    ...serviceArg,
    action: { type: 'positional', description: 'list, add, remove or set', required: false, default: 'list' },
    rest: { type: 'positional', description: 'the partitions', required: false },
    'dry-run': { type: 'boolean', description: 'say what would change' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 120_000,
  run: args =>
    withConsul(args, async consul => {
      const { service, action } = args
      const ids = args._.slice(2)
      checkWords(action, ids)
      await mustKnow(consul, service)
      const keys = keysOf(service)
      const before = (await readPartitions(consul, keys)).sort((a, b) => byName(a.id, b.id))
      if (action === 'list') {
        if (args.json) print(JSON.stringify(before))
        else
          print(
            table(
              ['PARTITION', 'FROM'],
              before.map(({ id, from }) => [id, from ?? '?']),
            ),
          )
        return
      }
      const plan = changeOf(
        action,
        before.map(({ id }) => id),
        ids,
      )
      if (!args['dry-run']) await make(consul, keys, plan)
      if (args.json) print(JSON.stringify(plan))
      else print(`${args['dry-run'] ? 'would add' : 'added'}: ${said(plan.added)}; removed: ${said(plan.removed)}`)
    }),
})

/** @throws Permanent for what is no action, or no id */
function checkWords(action: string, ids: readonly string[]): void {
  if (!['list', 'add', 'remove', 'set'].includes(action)) {
    throw new Permanent(`cannot read the arguments: "${action}" is no action; say list, add, remove or set`)
  }
  if (action !== 'list' && ids.length === 0)
    throw new Permanent('cannot read the arguments: no partition is named; name some')
  for (const id of ids) encode(id)
}

/** What an action on these ids changes. */
function changeOf(action: string, before: readonly string[], ids: readonly string[]): Change {
  const added = [...new Set(ids)].filter(id => !before.includes(id))
  if (action === 'add') return { added, removed: [] }
  if (action === 'remove') return { added: [], removed: before.filter(id => ids.includes(id)) }
  return { added, removed: before.filter(id => !ids.includes(id)) }
}

async function make(consul: Consul, keys: Keys, { added, removed }: Change): Promise<void> {
  if (added.length > 0) await addPartitions(consul, keys, added, 'hand')
  if (removed.length > 0) await removePartitions(consul, keys, removed)
}

function said(ids: readonly string[]): string {
  return listed(ids) || 'none'
}
