/** Programs that a test or an example needs and that Debian has: installed where that is possible. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'

/**
 * Whether a program is there; installs Debian's package when it is not, this is root, and apt is there.
 * @param say is told, in a line, before anything is installed
 */
export async function haveProgram(program: string, pack: string, say: (line: string) => void): Promise<boolean> {
  if (await isThere(program)) return true
  if (process.getuid?.() !== 0 || !(await isThere('apt-get'))) return false
  say(`${program} is not here: apt-get install ${pack}`)
  const install = () => apt('install', '--yes', '--no-install-recommends', pack)
  return (await install()) || ((await apt('update')) && (await install()))
}

/**
 * A program of a package that must not be installed, since it would start a service: unpacked into a folder of the
 * project. @returns its path, or the name of the one that is there; null when this machine cannot have it
 */
export async function unpacked(program: string, pack: string, say: (line: string) => void): Promise<string | null> {
  if (await isThere(program)) return program
  const folder = join(import.meta.dirname, '../../.cache', pack)
  const path = () => ['usr/bin', 'usr/sbin'].map(place => join(folder, place, program)).find(existsSync) ?? null
  if (path() !== null) return path()
  if (!(await isThere('apt-get'))) return null
  say(`${program} is not here: apt-get download ${pack}`)
  await mkdir(dirname(folder), { recursive: true })
  const work = await mkdtemp(join(dirname(folder), 'unpacking-'))
  try {
    const download = () => execa('apt-get', ['download', pack], { cwd: work, stdin: 'ignore', reject: false })
    if ((await download()).failed && (await apt('update'))) await download()
    const file = (await readdir(work)).find(name => name.endsWith('.deb'))
    if (file === undefined) return null
    await execa('dpkg-deb', ['-x', join(work, file), join(work, 'tree')])
    await rename(join(work, 'tree'), folder).catch(() => {}) // another test was faster
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return path()
}

export function howToGet(program: string, pack: string): string {
  return `${program} is not here; get it with: apt-get install ${pack}`
}

async function isThere(program: string): Promise<boolean> {
  const { failed } = await execa('which', [program], { reject: false })
  return !failed
}

async function apt(...args: string[]): Promise<boolean> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const { failed } = await execa('apt-get', args, { env, stdin: 'ignore', reject: false })
  return !failed
}
