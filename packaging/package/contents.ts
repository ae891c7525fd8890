/** What the packages install: the release, the programs' documentation, units, and the settings to copy. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Contents } from '../../lib/setup/release/contents.ts'
import { type About, changelog, copyright } from './control.ts'
import { below, type Entry, file, type Tree } from './tree.ts'

const root = `${import.meta.dirname}/../..`
const units = 'usr/lib/systemd/system'
const doc = 'usr/share/doc/watchbill'

/** @param node the program that runs the release */
export function packageTree(release: Contents, node: Buffer, about: About): Tree {
  return new Map([
    ...below('usr/lib/watchbill/release', releaseTree(release, node)),
    ['usr/bin/watchbill', text('packaging/package/watchbill.sh', 0o755)],
    ['etc/watchbill', 'directory'],
    ...unitTree(),
    ...settings(),
    ...forShells(),
    ...manual(),
    ...documents(release, about),
  ])
}

function releaseTree({ files, executable }: Contents, node: Buffer): Tree {
  const all = [...files].map(([path, text]) => [path, file(text, executable.has(path) ? 0o755 : 0o644)] as const)
  return new Map<string, Entry>([...all, ['bin/node', file(node, 0o755)]])
}

function unitTree(): Tree {
  const paths = [
    'packaging/page/watchbill-page.socket',
    'packaging/page/watchbill-page.service',
    'packaging/prometheus/watchbill-metrics.socket',
    'packaging/prometheus/watchbill-metrics@.service',
    'packaging/systemd/watchbill-handover.service',
  ]
  return new Map([
    ...paths.map(path => [`${units}/${basename(path)}`, text(path)] as const),
    [`${units}/consul.service.d/watchbill.conf`, text('packaging/systemd/consul.service.d/watchbill.conf')],
  ])
}

/** Nothing reads these here: people copy them, or name them to their tools. */
function settings(): Tree {
  const files = ['alerts.yml', 'dashboard.json'].map(name => `packaging/prometheus/${name}`)
  const ofConsul = readdirSync(`${root}/consul.d`).map(name => `consul.d/${name}`)
  return new Map([
    ...files.map(path => [`usr/share/watchbill/prometheus/${basename(path)}`, text(path)] as const),
    ...ofConsul.map(path => [`usr/share/watchbill/${path}`, text(path)] as const),
    ['usr/share/watchbill/definition.schema.json', text('lib/definition/definition.schema.json')],
  ])
}

/** Where each shell looks for the completions of a package. */
function forShells(): Tree {
  const places = {
    bash: 'usr/share/bash-completion/completions/watchbill',
    zsh: 'usr/share/zsh/vendor-completions/_watchbill',
    fish: 'usr/share/fish/vendor_completions.d/watchbill.fish',
  }
  const found = Object.entries(places)
  return new Map(found.map(([shell, place]) => [place, text(`lib/operate/complete/watchbill.${shell}`)] as const))
}

/** What `npm run man` has made. */
function manual(): Tree {
  const made = `${root}/dist/man`
  const pages = existsSync(made) ? readdirSync(made) : []
  return new Map(
    pages.map(name => [`usr/share/man/man1/${name}.gz`, file(gzipSync(readFileSync(`${made}/${name}`), { level: 9 }))]),
  )
}

function documents({ files }: Contents, about: About): Tree {
  const pages = readdirSync(`${root}/docs`).filter(name => /\.(md|svg)$/.test(name))
  const tops = ['README.md', 'SECURITY.md'].filter(name => existsSync(`${root}/${name}`))
  const licence = (name: string) => files.get(name) ?? ''
  return new Map([
    ...tops.map(name => [`${doc}/${name}`, text(name)] as const),
    ...pages.map(name => [`${doc}/docs/${name}`, text(`docs/${name}`)] as const),
    [`${doc}/CHANGELOG.md.gz`, file(gzipSync(read('CHANGELOG.md'), { level: 9 }))],
    [`${doc}/changelog.gz`, file(changelog(about))],
    [`${doc}/copyright`, file(copyright(licence('LICENSE'), licence('LICENSES'), licence('LICENSE.node')))],
    ['usr/share/lintian/overrides/watchbill', text('packaging/package/lintian-overrides')],
  ])
}

function read(path: string): Buffer {
  return readFileSync(`${root}/${path}`)
}

function text(path: string, mode = 0o644): Entry {
  return file(read(path), mode)
}
