/**
 * Runs when:      an operator wants to see or change the partition set, from any agent
 * Reads:          Consul; a document for partitions
 * May change:     partition/, spec/, proposal/ and a new partition's lock; rename also deletes the old lock, once it is free
 * Never changes:  any other existing lock
 * Exits:          0 done, or nothing to do; 1 an id to remove is not a partition; 111 also when a fetched set is refused
 */
import { readFileSync } from 'node:fs'
import { Permanent, reason } from '../lib/base/errors.ts'
import { encode, keysOf } from '../lib/base/names.ts'
import { readPartitions } from '../lib/keys/partition-set.ts'
import { actByHand, documentFrom, type HandAction, handActions, handWords } from '../lib/operate/partitions/by-hand.ts'
import { list } from '../lib/operate/partitions/list.ts'
import { exit, print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, mustKnow, serviceArg, waitLimit, withConsul } from '../lib/program/operator.ts'
import { readAll } from '../lib/program/stdin.ts'

const actions: readonly string[] = ['list', ...handActions, 'rename', 'sync', 'apply']

program({
  name: 'partitions',
  about:
    'Lists the partitions of a service, adds, removes, sets or renames them, has them fetched from their source at once, or ' +
    'lets a definition remove some.',
  args: {
    ...serviceArg,
    action: {
      type: 'positional',
      description: 'list, add, remove, set, rename, sync or apply',
      required: false,
      default: 'list',
    },
    rest: { type: 'positional', description: 'the partitions; apply: whose definition', required: false },
    document: { type: 'string', description: 'add, set: a file with the JSON that their processes get; - for stdin' },
    force: { type: 'boolean', description: 'sync: accept an answer that would be refused' },
    wait: { type: 'string', description: 'rename, sync, apply: how long to wait at most', default: '60s' },
    'dry-run': { type: 'boolean', description: 'print what would change, and change nothing' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 3_700_000,
  exits: '0 done, or nothing to do; 1 remove: an id is not a partition',
  run: args =>
    withConsul(args, async consul => {
      const { service, action, document: file, 'dry-run': dryRun = false } = args
      const ids = args._.slice(2)
      checkWords(action, ids, file, args.force ?? false)
      await mustKnow(consul, service)
      const tell = (said: string) => say(args.json ? JSON.stringify({ service, said }) : said)
      if (action === 'sync') {
        const { askForSync } = await import('../lib/sources/ask.ts')
        if (dryRun) return tell('would fetch')
        return tell(await askForSync(consul, service, { force: args.force ?? false }, waitLimit(args.wait)))
      }
      if (action === 'rename') {
        const { renamed } = await import('../lib/operate/partitions/rename.ts')
        return tell(await renamed(consul, service, ids, { limit: waitLimit(args.wait), dryRun }))
      }
      if (action === 'apply') {
        const { apply } = await import('../lib/operate/partitions/apply.ts')
        return tell(await apply(consul, service, ids, { limit: waitLimit(args.wait), dryRun }))
      }
      if (action === 'list') return say(list(await readPartitions(consul, keysOf(service)), args.json ?? false))
      const document = file === undefined ? undefined : documentFrom(read(file), file)
      const done = await actByHand(consul, service, { action: action as HandAction, ids, document, dryRun })
      const code = done.unknown.length > 0 ? exit.no : exit.done
      if (!args.json) return say(handWords(service, done, { dryRun, documents: file !== undefined }), code)
      const { unknown, ...change } = done
      return say(JSON.stringify(unknown.length > 0 ? done : change), code)
    }),
})

function say(lines: string | readonly string[], code: number = exit.done): number {
  print(lines)
  return code
}

/** @throws Permanent for an unknown action, a bad id, or arguments that do not go together */
function checkWords(action: string, ids: readonly string[], document: string | undefined, force: boolean): void {
  const wrong = (what: string) => new Permanent(`cannot read the arguments: ${what}`)
  if (!actions.includes(action))
    throw wrong(`"${action}" is no action; say list, add, remove, set, rename, sync or apply`)
  const named = !['list', 'sync', 'apply'].includes(action)
  if (named && ids.length === 0) throw wrong('no partition is named; name some')
  if (action === 'sync' && ids.length > 0) throw wrong('sync fetches all of them; name no partition')
  if (document !== undefined && action !== 'add' && action !== 'set') throw wrong('--document goes with add and set')
  if (force && action !== 'sync') throw wrong('--force goes with sync')
  if (action !== 'apply') for (const id of ids) encode(id)
}

function read(file: string): string {
  try {
    return file === '-' ? readAll(0) : readFileSync(file, 'utf8')
  } catch (error) {
    throw new Permanent(`cannot read the document ${file}: ${reason(error)}; name a file, or - for stdin`)
  }
}
