/** What `watchbill` alone, `watchbill --help` and `watchbill --version` say. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { reason } from '../base/errors.ts'
import { Consul } from '../consul/http.ts'
import { isRefusal } from '../consul/permission.ts'
import { listing } from './help.ts'
import { inside, programs, top } from './programs.ts'

/** How long Consul may take to say which it is, ms. */
const limit = 1000

export const first: readonly (readonly [string, string])[] = [
  ['watchbill doctor', 'is this machine ready, and what is to be done if not'],
  ['watchbill validate FILE', 'is this definition right, here and in the cluster'],
  ['watchbill configure', 'puts the definitions of this machine to work; then: consul reload'],
  ['watchbill status', 'who runs what, and why something does not run'],
  ['watchbill logs SERVICE PARTITION', 'what its process printed'],
]

const more: readonly (readonly [string, string])[] = [
  ['watchbill help', 'all programs, with a line on each'],
  ['watchbill help PROGRAM', 'one of them, with its options'],
]

/** What to do first. */
export function firstSteps(width: number): string[] {
  return [
    'watchbill: every partition of a service runs on exactly one machine, kept by Consul’s own agents.',
    '',
    'First:',
    ...listing(first, width),
    '',
    'More:',
    ...listing([...more, [docs(), 'the documentation; README.md has its index']], width),
  ]
}

/** Where the pages are: beside the programs, or where a package of the system puts them. */
function docs(): string {
  const places = [join(top, 'docs'), '/usr/share/doc/watchbill']
  return places.find(place => existsSync(place)) ?? 'docs/'
}

/** All programs: first those for people. */
export function programList(width: number): string[] {
  const all = [...programs()]
  const rows = (isInside: boolean) =>
    listing(
      all.filter(([name]) => inside.has(name) === isInside),
      width,
    )
  return [
    'watchbill <program> [arguments]; each program has --help',
    '',
    ...rows(false),
    '',
    'Run by Consul’s agent, and by each other:',
    '',
    ...rows(true),
  ]
}

/** The versions of this program, of its Node, and of the Consul that it would ask. */
export async function versionLines(): Promise<string[]> {
  const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { version: string }
  return [`watchbill ${version}`, `node ${process.versions.node}`, await consulLine()]
}

async function consulLine(): Promise<string> {
  let consul: Consul | undefined
  try {
    consul = new Consul({ limit })
    const { origin } = consul.address
    try {
      const { Config } = await consul.json<{ Config?: { Version?: unknown } }>('GET', '/v1/agent/self')
      return typeof Config?.Version === 'string'
        ? `consul ${Config.Version}, at ${origin}`
        : `consul: unknown, at ${origin}`
    } catch (error) {
      if (isRefusal(error)) return `consul: the token may not ask for its version, at ${origin}`
      return `consul: ${reason(error)}`
    }
  } catch (error) {
    return `consul: ${reason(error)}` // such as an address that is none
  } finally {
    consul?.close()
  }
}
