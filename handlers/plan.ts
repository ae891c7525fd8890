/**
 * Runs when:      an operator wants to know what would move, before acting, from any agent
 * Reads:          Consul; with --definition a definition file
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0
 */
import { Permanent } from '../lib/base/errors.ts'
import { loadDefinition } from '../lib/definition/load.ts'
import { lookAtCluster } from '../lib/look/snapshot.ts'
import { inTurn } from '../lib/operate/plan/in-turn.ts'
import { outlook } from '../lib/operate/plan/moves.ts'
import { outlookLines } from '../lib/operate/plan/page.ts'
import { changed, parseMember, parseScale, withHandMade, withTraits } from '../lib/operate/plan/what-if.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, serviceArg, withService } from '../lib/program/operator.ts'
import { assign, rulesFor } from '../lib/roster/assignment.ts'
import { versions } from '../lib/roster/versions.ts'

program({
  name: 'plan',
  about: 'Says what would move, and why, if something changed. It changes nothing.',
  args: {
    ...serviceArg,
    add: { type: 'string', description: 'a node that joins, such as node9:meta.zone=b,weight=2; several with spaces' },
    remove: { type: 'string', description: 'a node or an instance that is gone; several with spaces' },
    drain: { type: 'string', description: 'a node or an instance that is drained; several with spaces' },
    scale: { type: 'string', description: 'another number of partitions: 12, 7%, or "7% of meta.cores"' },
    definition: { type: 'string', description: 'a definition file: its partitions and its placement' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 30_000,
  run: args =>
    withService(args, async (consul, service) => {
      const changes = {
        add: words(args.add).map(parseMember),
        remove: words(args.remove),
        drain: words(args.drain),
        scale: args.scale === undefined ? null : parseScale(args.scale),
        definition: args.definition === undefined ? null : await definitionOf(args.definition, service),
      }
      const now = await lookAtCluster(consul, service)
      const after = await withTraits(consul, await withHandMade(consul, now, changed(now, changes)))
      const byRules = await rulesFor(after)
      const then = inTurn(now, after, changes, cluster => assign(cluster, versions, byRules))
      const found = outlook(now, after, then)
      print(args.json ? JSON.stringify(found) : outlookLines(found))
    }),
})

function words(text = ''): string[] {
  return text.split(/\s+/).filter(Boolean)
}

async function definitionOf(file: string, service: string) {
  const definition = await loadDefinition(file)
  if (definition.name === service) return definition
  throw new Permanent(`cannot use ${file}: it is the definition of ${definition.name}, not of ${service}`)
}
