/** Programs that a test or an example needs and that Debian has: installed where that is possible. */
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
