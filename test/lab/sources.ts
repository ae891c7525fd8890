/**
 * The machine's own apt sources, pointed at another Debian release: whatever mirror this machine is allowed to use
 * serves that release too. Only the main archive counts; security, backports and other people's archives are left out.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const releases = /^(buster|bullseye|bookworm|trixie|forky|duke|sid|(old){0,2}stable|testing|unstable)$/

interface Source {
  uris: string
  suites: string
  components: string
  signedBy: string
}

/** What goes into the private sources folder, as file name → text; empty when this machine has no Debian archive. */
export function sourcesFor(suite: string, etc = '/etc/apt'): Map<string, string> {
  const files = new Map<string, string>()
  for (const [name, text] of sourceFiles(etc)) {
    const rewritten = name.endsWith('.sources') ? rewriteStanzas(text, suite) : rewriteLines(text, suite)
    if (rewritten) files.set(name, rewritten)
  }
  return files
}

/** Files with another ending (`.list.disabled`, `.save`) are ignored, as apt does. */
function sourceFiles(etc: string): [string, string][] {
  const names = entries(join(etc, 'sources.list.d')).filter(name => /\.(sources|list)$/.test(name))
  const files = names.map((name): [string, string] => [name, read(join(etc, 'sources.list.d', name))])
  const single = entries(etc).includes('sources.list')
  return single ? [['sources.list', read(join(etc, 'sources.list'))], ...files] : files
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    // A machine without apt has no such folder: no sources.
    return []
  }
}

function read(file: string): string {
  return readFileSync(file, 'utf8')
}

/** The deb822 form (`*.sources`): stanzas of fields; a disabled stanza says `Enabled: no`. */
export function rewriteStanzas(text: string, suite: string): string {
  const stanzas = text.replace(/^#.*\n?/gm, '').split(/\n[ \t]*\n/)
  return stanzas
    .map(fields)
    .filter(isMainStanza)
    .map(stanza => writeStanza(stanza, suite))
    .join('\n')
}

type Stanza = Map<string, string>

/** Lower-case field name → value, with its continuation lines: a key may stand in the file itself. */
function fields(stanza: string): Stanza {
  const found = stanza.matchAll(/^([A-Za-z][\w-]*):[ \t]*(.*(?:\n[ \t].*)*)/gm)
  return new Map(Array.from(found, ([, name, value]) => [String(name).toLowerCase(), String(value)]))
}

function isMainStanza(stanza: Stanza): boolean {
  const field = (name: string) => stanza.get(name) ?? ''
  if (/^(no|false|off|0|without|disable)$/i.test(field('enabled'))) return false
  if (!words(field('types')).includes('deb')) return false
  const [uris, suites, components] = [field('uris'), field('suites'), field('components')]
  return isMainArchive({ uris, suites, components, signedBy: field('signed-by') })
}

function writeStanza(stanza: Stanza, suite: string): string {
  const changed = new Map(stanza).set('types', 'deb').set('suites', suite)
  return Array.from(changed, ([name, value]) => `${name}: ${value}\n`).join('')
}

/** The one-line form (`sources.list`, `*.list`): `deb [options] uri suite components…`. */
export function rewriteLines(text: string, suite: string): string {
  const lines = text.split('\n').map(line => rewriteLine(line.replace(/#.*/, ''), suite))
  return Array.from(new Set(lines)).join('')
}

function rewriteLine(line: string, suite: string): string {
  const match = /^\s*deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(\S.*?)\s*$/.exec(line)
  if (!match) return ''
  const [, options = '', uris = '', suites = '', components = ''] = match
  const signedBy = /signed-by=(\S+?)[\s\]]/.exec(options)?.[1] ?? ''
  if (!isMainArchive({ uris, suites, components, signedBy })) return ''
  return `deb ${options.trim()}${options && ' '}${uris} ${suite} ${components}\n`
}

/** Guesses by the URL's form; a wrong guess does no harm, since the checksum of the package is pinned. */
function isMainArchive({ uris, suites, components, signedBy }: Source): boolean {
  const foreignKey = signedBy.startsWith('/') && !signedBy.includes('debian')
  const main = words(suites).some(name => releases.test(name)) && words(components).includes('main')
  return main && !foreignKey && !uris.startsWith('cdrom:')
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean)
}
