/** Builds Consul's command line for `watchbill agent`, and the settings files that it reads. Pure. */

import { Permanent } from '../../base/errors.ts'
import { needs, wants } from '../configure/agent.ts'
import { isAtLeast, type Version } from './consul-program.ts'

/** The arguments of `watchbill agent`. Paths are absolute. */
export interface Wishes {
  readonly server: boolean
  readonly bootstrap: boolean
  readonly join: readonly string[]
  readonly dataDir: string
  readonly node: string | undefined
  readonly logLevel: string | undefined
  readonly bind: string | undefined
  readonly client: string | undefined
  readonly tls: Tls
  /** The gossip key itself. */
  readonly encrypt: string | null
  /** The user's Consul configuration, in this order. Settings that watchbill recommends come before it, required ones after. */
  readonly config: readonly { readonly path: string; readonly directory: boolean }[]
}

export interface Tls {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  /** Which certificates are verified: of incoming connections, of the servers it connects to, or both. */
  readonly verify: Verify | undefined
}

export const verifies = ['incoming', 'outgoing', 'both'] as const
export type Verify = (typeof verifies)[number]

/** `--verify` without a value, as in older releases, means both. */
export function withVerify(argv: readonly string[]): string[] {
  const isBare = (word: string, next = '-') => word === '--verify' && next.startsWith('-')
  return argv.map((word, n) => (isBare(word, argv[n + 1]) ? '--verify=both' : word))
}

/** @throws Permanent for arguments that contradict each other */
export function check({ server, bootstrap, join, tls }: Wishes): void {
  const wrong = (why: string) => new Permanent(`cannot read the arguments: ${why}; see --help`)
  if (bootstrap && !server) throw wrong('--bootstrap is for a --server')
  if (bootstrap && join.length > 0) throw wrong('--bootstrap begins a cluster, --join goes into one')
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw wrong('--cert-file and --key-file go together')
  if (tls.verify === 'outgoing' && tls.ca === undefined) throw wrong('--verify outgoing needs --ca-file')
  if (tls.verify !== undefined && tls.verify !== 'outgoing' && (tls.ca === undefined || tls.cert === undefined))
    throw wrong(`--verify ${tls.verify} needs --ca-file, --cert-file and --key-file`)
}

/** The settings files. In Consul the later file wins: the user's configuration can override recommended settings only. */
export interface SettingsFiles {
  readonly wanted: string
  readonly needed: string
}

/**
 * The recommended settings. A server that is not up yet is tried again soon: by default Consul waits 30 s (seen on 1.8.7).
 */
export const wantedSettings: Readonly<Record<string, unknown>> = { ...wants, retry_interval: '2s' }

/** Consul's arguments. They hold no secret, since every user of the machine can read them. */
export function argumentsFor(wishes: Wishes, { wanted, needed }: SettingsFiles): string[] {
  const { server, bootstrap, join, dataDir, node, logLevel, bind, client, config } = wishes
  const given = Object.entries({ node, bind, client, 'log-level': logLevel })
  return [
    'agent',
    ...(server ? ['-server'] : []),
    ...(bootstrap ? ['-bootstrap-expect=1'] : []),
    `-data-dir=${dataDir}`,
    ...given.flatMap(([name, value]) => (value === undefined ? [] : [`-${name}=${value}`])),
    ...join.map(host => `-retry-join=${host}`),
    `-config-file=${wanted}`,
    ...config.map(({ path, directory }) => `-config-${directory ? 'dir' : 'file'}=${path}`),
    `-config-file=${needed}`,
  ]
}

/** The required settings file: what watchbill needs of every agent, TLS, and the gossip key. */
export function settingsFor({ tls, encrypt }: Wishes, version: Version): Record<string, unknown> {
  return { ...needs, ...tlsSettings(tls, version), ...(encrypt === null ? {} : { encrypt }) }
}

/** Consul moved its TLS settings in 1.12. */
function tlsSettings({ ca, cert, key, verify }: Tls, version: Version): Record<string, unknown> {
  const files = { ca_file: ca, cert_file: cert, key_file: key }
  const verified = {
    ...files,
    ...(verify === 'incoming' || verify === 'both' ? { verify_incoming: true } : {}),
    ...(verify === 'outgoing' || verify === 'both' ? { verify_outgoing: true } : {}),
  }
  // Without it a machine with a client's certificate could act as a server.
  const servers = verify === 'outgoing' || verify === 'both' ? { verify_server_hostname: true } : {}
  if (Object.values(files).every(file => file === undefined)) return {}
  return isAtLeast(version, [1, 12])
    ? { tls: { defaults: verified, internal_rpc: servers } }
    : { ...verified, ...servers }
}

/** A command line to read, and to paste into a shell. */
export function shown(argv: readonly string[]): string {
  return argv.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ')
}

/** Every value of an option that may be repeated, and may hold several values separated by commas. */
export function allOf(option: string, argv: readonly string[]): string[] {
  const values = argv.flatMap((word, i) => {
    if (word === option) return argv[i + 1] ?? ''
    return word.startsWith(`${option}=`) ? word.slice(option.length + 1) : []
  })
  return values
    .flatMap(value => value.split(','))
    .map(value => value.trim())
    .filter(Boolean)
}
