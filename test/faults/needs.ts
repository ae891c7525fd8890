/** The lab's requirements on the machine. */
import { execa } from 'execa'
import { version2 } from './group.ts'

const programs = {
  ip: 'iproute2',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  perl: 'perl',
  setcap: 'libcap2-bin',
  nft: 'nftables',
  strace: 'strace',
} as const

/** Needed only by some trials. */
const seldom: readonly Program[] = ['strace']

/** The missing requirement, in one line; null when the lab can run. Debian packages are installed when possible. */
export async function missing(say: (line: string) => void, more: readonly Program[] = []): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'it needs root'
  if (version2 === null) return 'it needs control groups of version 2, mounted below /sys/fs/cgroup'
  const absent = await absentPrograms(more)
  if (absent.length > 0) await install(absent, say)
  const still = await absentPrograms(more)
  if (still.length > 0) return `it needs ${still.join(', ')}; install ${packagesOf(still).join(' ')}`
  const { failed } = await execa('unshare', ['--net', '--mount', 'true'], { reject: false })
  return failed ? 'it needs to make network namespaces, which this machine does not allow' : null
}

export type Program = keyof typeof programs

async function absentPrograms(more: readonly Program[]): Promise<Program[]> {
  const all = Object.keys(programs) as Program[]
  const names = all.filter(name => !seldom.includes(name) || more.includes(name))
  const found = await Promise.all(names.map(name => execa('which', [name], { reject: false })))
  return names.filter((_, i) => found[i]?.failed)
}

function packagesOf(names: readonly Program[]): string[] {
  return [...new Set(names.map(name => programs[name]))]
}

async function install(names: readonly Program[], say: (line: string) => void): Promise<void> {
  const packages = packagesOf(names)
  say(`installing ${packages.join(' ')}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await execa('apt-get', ['update'], { reject: false, env })
  await execa('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { reject: false, env })
}
