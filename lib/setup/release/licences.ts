/** The licence texts that a release must hold: of the packages in its bundles, and of its Node. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'

/** The file for Node's licence in a release. LICENSE is watchbill's own. */
export const nodeLicenceFile = 'LICENSE.node'

/**
 * One text of them all, in the order of the packages' names.
 * @param packages their directories
 * @throws Error for a package without a licence file: what may be passed on is not known
 */
export function licencesOf(packages: Iterable<string>): string {
  const sections = [...packages].map(directory => {
    const { name, version } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8'))
    const file = readdirSync(directory).find(file => /^licen[cs]e(\.|$)/i.test(file))
    if (file === undefined) throw new Error(`${name} ${version} has no licence file`)
    return `${name} ${version}\n\n${readFileSync(`${directory}/${file}`, 'utf8').trim()}\n`
  })
  return `This release contains code of these packages.\n\n${sections.sort().join(`\n${'-'.repeat(80)}\n\n`)}`
}

/** The licence of a Node: as its package, its archive, a release or Debian has it, or where it stands. */
export function nodeLicence(binary: string): string {
  const home = dirname(dirname(realpathSync(binary)))
  const files = [`${home}/${nodeLicenceFile}`, `${home}/LICENSE`, `${home}/share/doc/nodejs/copyright`]
  const texts = files.filter(existsSync).map(file => readFileSync(file, 'utf8'))
  const found = texts.find(text => /\bNode\.js\b/.test(text))
  return found ?? 'bin/node is Node.js. Its licence: https://github.com/nodejs/node/blob/main/LICENSE\n'
}
