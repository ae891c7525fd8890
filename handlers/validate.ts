/**
 * Runs when:      somebody has written or changed a definition, and wants to know what is wrong with it, and what it would do
 * Reads:          definitions, the programs that they name, the limits of this machine; the agent and Consul, if they answer
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0, warnings or not; 100 when a definition is wrong; 111 when Consul is away: then only the file is judged
 */
import { reason } from '../lib/base/errors.ts'
import type { Consul } from '../lib/consul/http.ts'
import { type Expected, expectedLines, expectedOf } from '../lib/operate/plan/definition.ts'
import { exit, print, program } from '../lib/program/frame.ts'
import { consulArgs, consulDir, consulDirArg, jsonArg, withConsul } from '../lib/program/operator.ts'
import type { Service } from '../lib/setup/configure/services.ts'
import type { Finding } from '../lib/setup/doctor/finding.ts'
import { examineDefinitions } from '../lib/setup/validate/validate.ts'

const words = { ok: 'ok', warn: 'warn', unsafe: 'wrong' } as const

program({
  name: 'validate',
  about: 'Says whether a definition is right: by itself, on this machine, and what it would change in the cluster.',
  args: {
    definition: { type: 'positional', description: 'a definition (default: all in WATCHBILL_CONFIG)', required: false },
    rest: { type: 'positional', description: 'more definitions', required: false },
    ...consulDirArg,
    node: { type: 'string', description: "this machine's Consul node name (default: asked of the agent)" },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...jsonArg,
    ...consulArgs,
  },
  exits: '0; 100 a definition is wrong',
  deadline: 120_000,
  run: args =>
    withConsul(args, async consul => {
      const wanted = {
        ...{ node: args.node, state: args.state, dryRun: true, env: process.env, nodeBinary: 'include' },
        ...{ consulDir: consulDir(args), address: args['http-addr'], tokenFile: args['token-file'] },
      }
      const directory = process.env.WATCHBILL_CONFIG || '/etc/watchbill'
      const { findings, services, away } = await examineDefinitions(consul, args._, directory, wanted)
      const expected = away ? [] : await Promise.all(services.map(service => inCluster(consul, service)))
      if (args.json) print(JSON.stringify({ findings, cluster: expected }))
      else print([...findings.map(lineOf), ...expected.flatMap(one => linesOf(one))])
      if (findings.some(({ level }) => level === 'unsafe')) return exit.permanent
      return away ? exit.temporary : exit.done
    }),
})

type InCluster = Expected | { readonly service: string; readonly unknown: string }

/** A token that may not look is no fault of the definition. */
async function inCluster(consul: Consul, { definition }: Service): Promise<InCluster> {
  try {
    return await expectedOf(consul, definition)
  } catch (error) {
    if (error instanceof Error && (error.name === 'Permanent' || error.name === 'Temporary'))
      return { service: definition.name, unknown: reason(error) }
    throw error
  }
}

function linesOf(one: InCluster): string[] {
  return 'unknown' in one ? [`what ${one.service} would change is not known: ${one.unknown}`] : expectedLines(one)
}

function lineOf({ level, sentence, todo }: Finding): string {
  return `${`${words[level]}:`.padEnd(8)}${sentence}${todo && `; ${todo}`}`
}
