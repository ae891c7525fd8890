/**
 * `npm run package`: builds the Debian package, the archive with install.sh, the npm package, the list of what is in them
 * (CycloneDX) and their checksums. The same sources give the same bytes: everything in them has the time of the last commit,
 * or SOURCE_DATE_EPOCH.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { contentsHere } from '../../lib/setup/release/contents.ts'
import { chosenNode } from '../../lib/setup/release/node-binary.ts'
import { type Compression, compressed, suffix } from './compress.ts'
import { packageTree } from './contents.ts'
import { type About, controlFiles, script } from './control.ts'
import { deb } from './deb.ts'
import { sbom } from './sbom.ts'
import { tar } from './tar.ts'
import { below, file, type Tree, whole } from './tree.ts'

const root = resolve(import.meta.dirname, '../..')
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: `${root}/build` },
    compression: { type: 'string', default: 'xz' },
    /** As if the sources were of this version: for the test of an upgrade. */
    version: { type: 'string' },
  },
})

async function main(): Promise<void> {
  const out = resolve(values.out)
  const compression = values.compression as Compression
  if (!(compression in suffix)) throw new Error(`--compression is xz or gzip, not ${compression}`)
  const about = aboutHere()
  const binary = await chosenNode('include')
  const node = readFileSync(binary.source)
  const contents = await contentsHere(binary)
  const release = values.version === undefined ? contents : asVersion(contents, values.version)
  const tree = whole(packageTree(release, node, about))
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const { version, time, architecture } = about
  const name = `watchbill-${version}-linux-${process.arch}`
  const put = (file: string, bytes: string | Buffer) => writeFileSync(`${out}/${file}`, bytes)
  put(`watchbill_${version}_${architecture}.deb`, await deb(tree, controlFiles(tree, about), time, compression))
  const archive = tar(below(name, archiveTree(tree)), '', time)
  put(`${name}.tar.${suffix[compression]}`, await compressed(archive, compression))
  put(`watchbill-${version}.cdx.json`, sbom(node, time))
  execFileSync('npm', ['pack', '--silent', '--pack-destination', out], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  put('SHA256SUMS', sums(out))
  for (const file of readdirSync(out).sort()) process.stdout.write(`${out}/${file}\n`)
}

function aboutHere(): About {
  const { version, description } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
  const architecture = architectures[process.arch]
  if (architecture === undefined) throw new Error(`there is no package for ${process.arch}`)
  const { DEBFULLNAME = 'The watchbill authors', DEBEMAIL = 'nobody@watchbill.invalid' } = process.env
  const maintainer = `${DEBFULLNAME} <${DEBEMAIL}>`
  return { version: values.version ?? version, description, architecture, time: timeOfSources(), maintainer }
}

function timeOfSources(): number {
  const { SOURCE_DATE_EPOCH } = process.env
  const text = SOURCE_DATE_EPOCH || execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' })
  const time = Number(text)
  if (!Number.isSafeInteger(time) || time <= 0) throw new Error(`SOURCE_DATE_EPOCH is no time: ${text}`)
  return time
}

function asVersion(contents: Awaited<ReturnType<typeof contentsHere>>, version: string) {
  const own = JSON.parse(contents.files.get('package.json') as string)
  const files = new Map(contents.files).set('package.json', `${JSON.stringify({ ...own, version }, null, 2)}\n`)
  return { ...contents, version, files }
}

/** The same tree below root/, the list of its files, and the script that installs and removes them. */
function archiveTree(tree: Tree): Tree {
  const isInstalled = (path: string) => !path.startsWith('usr/share/lintian/')
  const installed = new Map([...tree].filter(([path]) => isInstalled(path)))
  const files = [...installed].flatMap(([path, entry]) => (entry === 'directory' ? [] : [`${path}\n`]))
  return new Map([
    ...below('root', installed),
    ['files', file(files.join(''))],
    ['install.sh', file(script('install'), 0o755)],
  ])
}

function sums(directory: string): string {
  const lines = readdirSync(directory).map(name => {
    const sum = createHash('sha256').update(readFileSync(`${directory}/${name}`))
    return `${sum.digest('hex')}  ${name}\n`
  })
  return lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join('')
}

await main()
