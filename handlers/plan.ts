/**
 * Runs when:      an operator wants to know what would move, before acting, from any agent; or what the scheduler decided
 * Reads:          Consul; with --definition, --run and --replay a definition file
 * May change:     nothing; with --save it writes that file
 * Never changes:  anything in Consul
 * Exits:          0; 100 also when the answer of a scheduler would be refused
 */
import { Permanent } from '../lib/base/errors.ts'
import { loadDefinition } from '../lib/definition/load.ts'
import { lookAtCluster } from '../lib/look/read-cluster.ts'
import { outlookOf } from '../lib/operate/plan/outlook.ts'
import { outlookLines } from '../lib/operate/plan/page.ts'
import { parseMember, parseScale } from '../lib/operate/plan/what-if.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, serviceArg, withService } from '../lib/program/operator.ts'

const args = {
  ...serviceArg,
  add: { type: 'string', description: 'a node that joins, such as node9:meta.zone=b,weight=2; several with spaces' },
  remove: { type: 'string', description: 'a node or an instance that is gone; several with spaces' },
  drain: { type: 'string', description: 'a node or an instance that is drained; several with spaces' },
  scale: { type: 'string', description: 'another number of partitions: 12, 7%, or "7% of meta.cores"' },
  definition: { type: 'string', description: 'a definition file: its partitions and its placement, or its scheduler' },
  show: { type: 'boolean', description: 'the plan of the scheduler that is in force, its log, and what was refused' },
  run: { type: 'boolean', description: 'run the scheduler on this machine, and say what its answer would change' },
  replay: {
    type: 'string',
    description: 'run the scheduler with an input that was saved in this file, without Consul',
  },
  save: { type: 'string', description: 'with --run: write its input into this file' },
  ...jsonArg,
  ...consulArgs,
} as const

type Args = { [Name in keyof typeof args]?: (typeof args)[Name]['type'] extends 'boolean' ? boolean : string } & {
  readonly service: string
}

program({
  name: 'plan',
  about: 'Says what would move, and why, if something changed, or what the scheduler decided. It changes nothing.',
  args,
  deadline: 330_000,
  run: args => {
    if (args.replay !== undefined) return replayed(args, args.replay)
    if (args.show) return shown(args)
    return args.run ? tried(args) : whatIf(args)
  },
})

function whatIf(args: Args): Promise<void> {
  return withService(args, async (consul, service) => {
    const changes = {
      add: words(args.add).map(parseMember),
      remove: words(args.remove),
      drain: words(args.drain),
      scale: args.scale === undefined ? null : parseScale(args.scale),
      definition: args.definition === undefined ? null : await definitionOf(args.definition, service),
    }
    const now = await lookAtCluster(consul, service)
    const found = await outlookOf(consul, now, changes)
    print(args.json ? JSON.stringify(found) : outlookLines(found))
  })
}

function shown(args: Args): Promise<void> {
  return withService(args, async (consul, service) => {
    const { planShown, shownLines, shownObject } = await import('../lib/operate/plan/shown.ts')
    const found = await planShown(consul, service)
    print(args.json ? JSON.stringify(shownObject(found)) : shownLines(found))
  })
}

function tried(args: Args): Promise<void> {
  return withService(args, async (consul, service) => {
    const { schedulerOf, triedJson, triedLines, tryNow } = await import('../lib/operate/plan/tried.ts')
    const found = await tryNow(consul, service, await schedulerOf(service, args.definition), args.save)
    print(args.json ? triedJson(found) : [...triedLines(found), ...outlookLines(found.outlook)])
  })
}

async function replayed({ service, definition, json }: Args, file: string): Promise<void> {
  const { replay, replayLines, schedulerOf, triedJson, triedLines } = await import('../lib/operate/plan/tried.ts')
  const found = await replay(service, await schedulerOf(service, definition), file)
  print(json ? triedJson(found) : [...triedLines(found), ...replayLines(found)])
}

function words(text = ''): string[] {
  return text.split(/\s+/).filter(Boolean)
}

async function definitionOf(file: string, service: string) {
  const definition = await loadDefinition(file)
  if (definition.name === service) return definition
  throw new Permanent(`cannot use ${file}: it is the definition of ${definition.name}, not of ${service}`)
}
