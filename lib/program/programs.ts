/** The programs that there are, with a line on each, wherever this one runs: a checkout, a package, a release. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'

/** What Consul runs, or a program of ours; people seldom do. */
export const inside: ReadonlySet<string> = new Set([
  ...['on-service', 'on-keyprefix', 'on-checks', 'guard', 'reconcile', 'attend', 'rollout', 'sync', 'scheduler'],
  ...['rerender', 'template', 'observe', 'power', 'cut-off'],
])

/** The directory of the package, or of the release: here a module lies in `lib/program/`, there all lie in `lib/`. */
export const top = existsSync(join(import.meta.dirname, '../package.json'))
  ? join(import.meta.dirname, '..')
  : join(import.meta.dirname, '../..')

/** In a release: the lines, by program. */
export const linesFile = 'programs.json'

/** Name -> what it does, in the order of names. */
export function programs(): Map<string, string> {
  const kept = join(top, 'lib', linesFile)
  if (existsSync(kept)) return new Map(Object.entries(JSON.parse(readFileSync(kept, 'utf8')) as Record<string, string>))
  return programsIn(join(top, 'handlers'))
}

/** From the sources. */
export function programsIn(handlers: string): Map<string, string> {
  const files = readdirSync(handlers).filter(file => file.endsWith('.ts'))
  return new Map(files.sort().map(file => [basename(file, '.ts'), aboutIn(readFileSync(join(handlers, file), 'utf8'))]))
}

/** The program's `about`, read without running it: adjacent strings are one. */
function aboutIn(source: string): string {
  const text =
    /\babout:\s*((?:(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)[\s+]*)+)/.exec(source)?.[1] ?? ''
  const strings = text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)
  return [...strings].map(([, a, b, c]) => (a ?? b ?? c ?? '').replace(/\\(.)/g, '$1')).join('')
}

/** How another program is run beside this one: Node's words, then its own. */
export function commandOf(program: string): [string, ...string[]] {
  const self = process.argv[1] as string
  return [process.execPath, ...process.execArgv, join(dirname(self), `${program}${extname(self)}`)]
}
