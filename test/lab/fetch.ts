/**
 * Debian's Consul, fetched into a folder of the project: without root, without touching the system's apt or dpkg.
 * Version and checksum are pinned, so that a mirror cannot serve another program.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { execa } from 'execa'
import { Permanent, reason, Temporary } from '../../lib/base/errors.ts'
import { sourcesFor } from './sources.ts'

export interface Pin {
  suite: string
  /** Of the Debian package. */
  version: string
  /** The name of the folder in the cache. */
  folder: string
  /** SHA-256 of the package, and of usr/bin/consul in it. */
  sums: { package: string; program: string }
}

export const pin: Pin = {
  suite: 'bullseye',
  version: '1.8.7+dfsg1-2+b3',
  folder: '1.8.7',
  sums: {
    package: 'e4e888bba104daba1d9161f49bfc52649a7e4efd45b1a7ead5bc54f2cb9c89d9',
    program: 'a449efb10a03df3cb9310f3a54d933ccda7c4faba4f421f183fc90a82056798e',
  },
}

export interface Fetch {
  /** The folder that holds one folder per version. */
  cache: string
  pin: Pin
  /** Where the machine's apt sources stand. */
  etc: string
  say: (line: string) => void
}

const advice = 'install consul or set CONSUL_BIN to its path'

/**
 * The path of the cached program, fetched first if it is not there.
 * @throws Permanent when this machine cannot have it, or something does not have its checksum
 * @throws Temporary when the archive does not answer
 */
export async function fetchConsul(fetch: Fetch): Promise<string> {
  const program = join(fetch.cache, fetch.pin.folder, 'usr/bin/consul')
  if (!(await exists(program))) await fetchInto(fetch)
  if ((await checksum(program)) === fetch.pin.sums.program) return program
  throw new Permanent(
    `cannot use ${program}: its checksum is not the pinned one; remove ${join(fetch.cache, fetch.pin.folder)}, or ${advice}`,
  )
}

/** Works in a folder of its own and renames it into place: two fetches at once both succeed, and nobody sees half a tree. */
async function fetchInto(fetch: Fetch): Promise<void> {
  refuseOtherMachines()
  await mkdir(fetch.cache, { recursive: true })
  const work = await mkdtemp(join(fetch.cache, 'fetching-'))
  try {
    const file = await download(fetch, work)
    await verify(file, fetch.pin)
    await execa('dpkg-deb', ['-x', file, join(work, 'tree')])
    await rename(join(work, 'tree'), join(fetch.cache, fetch.pin.folder)).catch(unlessThere)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function refuseOtherMachines(): void {
  if (process.platform === 'linux' && process.arch === 'x64') return
  throw new Permanent(
    `cannot fetch Consul for ${process.platform} ${process.arch}: only Debian's amd64 package is pinned; ${advice}`,
  )
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
}

async function download({ pin, etc, say }: Fetch, work: string): Promise<string> {
  const settings = await prepare(work, sourcesFor(pin.suite, etc))
  say(`fetching consul ${pin.version} from this machine's Debian mirror; this happens once`)
  // Its failure alone means little: one source of several may not have this release.
  const update = await apt(work, settings, 'update')
  const got = await apt(work, settings, 'download', `consul=${pin.version}`)
  const file = (await readdir(work)).find(name => name.endsWith('.deb'))
  if (file) return join(work, file)
  throw new Temporary(`cannot fetch Consul: ${whatWentWrong(update, got)}; ${advice}`)
}

interface Outcome {
  stderr: string
  shortMessage: string
}

/** apt's own first error; a missing apt-get has none. */
function whatWentWrong(...outcomes: Outcome[]): string {
  const errors = outcomes.flatMap(({ stderr }) => stderr.match(/^E: .*/gm) ?? [])
  return reason(errors[0] ?? outcomes.at(-1)?.shortMessage)
}

/**
 * apt's private folders and a settings file. The file is given with -c, which is read after the system's, so that the
 * machine's proxy counts, but not its hooks, which clean the system's cache and fail without root.
 */
async function prepare(work: string, sources: Map<string, string>): Promise<string> {
  if (sources.size === 0) {
    throw new Permanent(`cannot fetch Consul: this machine's apt sources name no Debian main archive; ${advice}`)
  }
  for (const folder of ['sources', 'lists/partial', 'cache/archives/partial']) {
    await mkdir(join(work, folder), { recursive: true })
  }
  for (const [name, text] of sources) await writeFile(join(work, 'sources', name), text)
  await writeFile(join(work, 'apt.conf'), aptSettings(work))
  return join(work, 'apt.conf')
}

function aptSettings(work: string): string {
  return `
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "${work}/sources";
Dir::State::Lists "${work}/lists";
Dir::Cache "${work}/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`
}

/** The deadline is for a mirror that does not answer; bullseye's lists take seconds. */
async function apt(cwd: string, settings: string, ...args: string[]): Promise<Outcome> {
  const { stderr = '', shortMessage = '' } = await execa('apt-get', ['-q', '-c', settings, ...args], {
    cwd,
    env: { LC_ALL: 'C' },
    stdin: 'ignore',
    reject: false,
    timeout: 180_000,
  })
  return { stderr, shortMessage }
}

async function verify(file: string, { version, sums }: Pin): Promise<void> {
  const sum = await checksum(file)
  if (sum === sums.package) return
  throw new Permanent(
    `cannot use consul ${version} as fetched: its checksum is ${sum}, not the pinned ${sums.package}; ${advice}`,
  )
}

/** SHA-256, in hexadecimal. */
export async function checksum(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
