/**
 * Runs when:      an operator sets a machine up for a service, changes a definition, or updates watchbill
 * Reads:          definitions, the agent's settings
 * May change:     watchbill-<id>.json in Consul's configuration directory; the releases below --home
 * Never changes:  running processes (the agent reads the files at its next reload); anything in Consul; the definitions
 * Exits:          0 done, or nothing to do; 100 a definition is wrong, a directory may not be written to; 111 the agent
 *                 is away and --node is not given
 */

import { print, program } from '../lib/program/frame.ts'
import { consulDir, consulDirArg } from '../lib/program/operator.ts'
import { configure, installRelease, rendered, unconfigure, type Wanted } from '../lib/setup/configure/configure.ts'
import { servicesFrom } from '../lib/setup/configure/services.ts'
import {
  agentLines,
  changeLine,
  environmentLine,
  missingLines,
  nextLine,
  releaseLine,
  setUidLines,
  validatedLine,
} from '../lib/setup/configure/words.ts'
import { unitFits } from '../lib/setup/doctor/gather/machine.ts'

program({
  name: 'configure',
  about: "Writes the agent's configuration for the services of this machine, and installs the programs that it runs.",
  args: {
    definition: { type: 'positional', description: 'a definition (default: all in WATCHBILL_CONFIG)', required: false },
    rest: { type: 'positional', description: 'more definitions', required: false },
    ...consulDirArg,
    stdout: { type: 'boolean', description: 'print the configuration, and change nothing' },
    node: { type: 'string', description: "this machine's Consul node name (default: asked of the agent)" },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    'http-addr': { type: 'string', description: "Consul's HTTP address (default $CONSUL_HTTP_ADDR or 127.0.0.1:8500)" },
    'token-file': { type: 'string', description: 'a file with the Consul token (default $CONSUL_HTTP_TOKEN_FILE)' },
    home: {
      type: 'string',
      description: 'where releases are installed (default $WATCHBILL_HOME or /usr/local/lib/watchbill)',
    },
    'node-binary': { type: 'string', description: 'include this Node in the release, or a path', default: 'include' },
    'dry-run': { type: 'boolean', description: 'print what would be done, and change nothing' },
    'release-only': { type: 'boolean', description: 'install the programs, and write no configuration' },
    remove: { type: 'boolean', description: 'remove the files of these services again' },
    force: {
      type: 'boolean',
      description: '--remove even with partitions on this machine; accept what looks like a misspelt placeholder',
    },
    json: { type: 'boolean', description: 'print JSON' },
  },
  deadline: 300_000,
  async run(args) {
    const dryRun = args['dry-run'] ?? false
    const { node, state, home } = args
    const wanted = {
      ...{ node, state, home, dryRun, env: process.env },
      consulDir: consulDir(args),
      nodeBinary: args['node-binary'],
      address: args['http-addr'],
      tokenFile: args['token-file'],
    }
    if (args['release-only']) return releaseOnly(wanted, args.json ?? false)
    const services = await servicesFrom(
      args._,
      process.env.WATCHBILL_CONFIG || '/etc/watchbill',
      args.force || args.remove,
    )
    if (args.remove) {
      const changes = unconfigure(services, wanted, args.force ?? false)
      if (args.json) return print(JSON.stringify({ changes }))
      return print([...changes.map(change => changeLine(change, dryRun)), nextLine(changes, dryRun)])
    }
    if (args.stdout) return print((await rendered(services, wanted)).trimEnd().split('\n'))
    const done = await configure(services, wanted)
    if (args.json) return print(JSON.stringify(done))
    const { changes, release, agent, validated, environment, names, removals } = done
    const lines = [releaseLine(release, dryRun), ...changes.map(change => changeLine(change, dryRun))]
    if (validated !== null) lines.push(validatedLine(validated))
    lines.push(
      ...names,
      ...missingLines(services),
      ...removals,
      ...setUidLines(services),
      ...agentLines(agent, await unitFits()),
      ...environmentLine(environment),
      nextLine(changes, dryRun),
    )
    print(lines)
  },
})

/** For packages: a machine gets or upgrades the programs before it has a definition, and while its agent may be away. */
async function releaseOnly(wanted: Wanted, json: boolean): Promise<void> {
  const release = await installRelease(wanted)
  print(json ? JSON.stringify({ release }) : releaseLine(release, wanted.dryRun))
}
