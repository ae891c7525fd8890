/**
 * Runs when:      a machine has no Consul yet: by hand, or by a supervisor in place of consul agent
 * Reads:          the gossip key, if one is named
 * May change:     makes Consul's data and configuration directories, writes the settings that watchbill needs
 * Never changes:  configuration that is there
 * Exits:          it becomes Consul, with the same pid; 100 before that for a mistake
 */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { print, program } from '../lib/program/frame.ts'
import { consulDir, consulDirArg } from '../lib/program/operator.ts'
import { allOf, check, shown, verifies, type Wishes, withVerify } from '../lib/setup/agent/command.ts'
import { become, gossipKey, isDirectory, prepare } from '../lib/setup/agent/run.ts'
import { attempt } from '../lib/setup/install.ts'

const levels = ['trace', 'debug', 'info', 'warn', 'err'] as const

process.argv = withVerify(process.argv)

program({
  name: 'agent',
  about: "Runs Consul's agent with what watchbill needs: prints the command line, and becomes it.",
  args: {
    server: { type: 'boolean', description: 'a server; otherwise a client' },
    bootstrap: { type: 'boolean', description: 'the first server of a new cluster' },
    join: { type: 'string', description: 'a server to join, tried until it answers; repeat it, or give a,b,c' },
    'data-dir': { type: 'string', description: "Consul's data; created if missing", default: '/var/lib/consul' },
    ...consulDirArg,
    config: {
      type: 'string',
      description: 'more Consul configuration, a file or a directory; repeat it, or give a,b,c',
    },
    node: { type: 'string', description: 'the node name (default: the host name)' },
    bind: { type: 'string', description: 'the address for the cluster' },
    client: { type: 'string', description: 'the address for HTTP and DNS (default: 127.0.0.1)' },
    'log-level': { type: 'enum', options: [...levels], description: "Consul's log level" },
    'ca-file': { type: 'string', description: 'TLS: the certificate of the authority' },
    'cert-file': { type: 'string', description: "TLS: this machine's certificate" },
    'key-file': { type: 'string', description: 'TLS: its key' },
    verify: {
      type: 'enum',
      options: [...verifies],
      description: 'TLS: which connections need a verified certificate (servers also by name). Without a value: both',
    },
    'encrypt-file': { type: 'string', description: 'a file with the gossip key (consul keygen)' },
    consul: { type: 'string', description: 'the program (default $CONSUL_BIN, or consul on PATH)' },
    'dry-run': { type: 'boolean', description: 'print the command line, and change nothing' },
  },
  exits: 'it becomes Consul, and ends as Consul does',
  deadline: 60_000,
  async run(args) {
    const path = (file: string | undefined) => (file === undefined ? undefined : resolve(file))
    const directory = resolve(consulDir(args))
    const extra = allOf('--config', process.argv).map(file => resolve(file))
    const wishes: Wishes = {
      server: args.server ?? false,
      bootstrap: args.bootstrap ?? false,
      join: allOf('--join', process.argv),
      dataDir: resolve(args['data-dir']),
      node: args.node,
      logLevel: args['log-level'],
      bind: args.bind,
      client: args.client,
      tls: {
        ca: path(args['ca-file']),
        cert: path(args['cert-file']),
        key: path(args['key-file']),
        verify: args.verify,
      },
      encrypt: args['encrypt-file'] === undefined ? null : gossipKey(args['encrypt-file']),
      config: [
        { path: directory, directory: true },
        ...extra.map(file => ({ path: file, directory: isDirectory(file) })),
      ],
    }
    check(wishes)
    const dryRun = args['dry-run'] ?? false
    const { argv } = prepare(wishes, args.consul, dryRun)
    if (!dryRun) attempt('make', directory, () => mkdirSync(directory, { recursive: true }))
    print(shown(argv))
    if (!dryRun) become(argv)
  },
})
