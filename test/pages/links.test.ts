/** Every link of the pages leads somewhere, README stays short and names every page, and the reference leaves nothing out. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, it, test } from 'node:test'
import { keysOf, lockKeysOf } from '../../lib/base/names.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { anchorsIn, linksIn } from './blocks.ts'

const root = join(import.meta.dirname, '../..')
const textOf = (page: string) => readFileSync(join(root, page), 'utf8')
const docs = globSync('docs/**/*.md', { cwd: root })
const pages = [...globSync('*.md', { cwd: root }), ...docs, ...globSync('examples/*/*.md', { cwd: root })]

/** What is wrong with the links of a page; nothing when each leads somewhere. */
function deadIn(page: string): string[] {
  return linksIn(textOf(page)).flatMap(link => {
    if (/^https?:/.test(link)) return []
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? page : normalize(join(dirname(page), file))
    if (!existsSync(join(root, target))) return [`${link}: there is no ${target}`]
    if (anchor === undefined) return []
    const isPage = statSync(join(root, target)).isFile() && target.endsWith('.md')
    return isPage && anchorsIn(textOf(target)).has(anchor) ? [] : [`${link}: ${target} has no heading ${anchor}`]
  })
}

describe('every relative link leads to a file, and to a heading of it', () => {
  for (const page of pages) it(`in ${page}`, () => assert.deepEqual(deadIn(page), []))
})

test('a page that a message or a comment names is there, and ships with it', () => {
  const { files } = JSON.parse(textOf('package.json')) as { files: string[] }
  assert.ok(files.includes('docs'))
  const sources = globSync(['lib/**/*.{ts,sh}', 'handlers/*.ts', 'consul.d/*'], { cwd: root }).map(textOf)
  const named = sources.flatMap(text => [...text.matchAll(/\bdocs\/[\w-]+\.md\b/g)].map(([page]) => page))
  assert.ok(named.length >= 3, named.join())
  assert.deepEqual(
    named.filter(page => !docs.includes(page)),
    [],
  )
  assert.deepEqual(
    sources.filter(text => /\bin the README\b/.test(text)),
    [],
    'README has no such section any more',
  )
})

describe('README.md', () => {
  it('has at most 200 lines', () => {
    const lines = textOf('README.md').trimEnd().split('\n').length
    assert.ok(lines <= 200, `${lines} lines; what belongs to one task stands on its page in docs/`)
  })

  it('names every page of docs/ in its index', () => {
    const [, index = ''] = /^## Index\n([\s\S]*)/m.exec(textOf('README.md')) ?? []
    const named = linksIn(index)
    assert.deepEqual(
      docs.filter(page => !named.includes(page)),
      [],
    )
  })

  it('has every program in its table, or the reference has it', () => {
    const table = ['README.md', 'docs/reference.md']
      .map(page => /^## Programs\n([\s\S]*?)^## /m.exec(textOf(page))?.[1] ?? '')
      .join('\n')
    const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([\w-]+)`/g)].map(([, name]) => name),
    )
    const programs = globSync('handlers/*.ts', { cwd: root }).map(file => file.replace(/^handlers\/|\.ts$/g, ''))
    assert.deepEqual(named.sort(), programs.sort())
  })
})

describe('docs/reference.md', () => {
  const page = textOf('docs/reference.md')
  /** What stands in code in the first cells of its tables. */
  const named = [...page.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  )

  test('names every key', () => {
    const keys = Object.entries(keysOf('s')).flatMap(([name, key]) => {
      if (name === 'duty') return ['duty/source']
      if (name === 'telling') return ['telling/<id>/<token>']
      if (name === 'planPart') return ['plan/<revision>/<n>']
      if (name === 'wakes') return []
      const argument = ['member', 'report', 'render', 'proposal', 'wake'].includes(name) ? 'instance' : 'id'
      const text = typeof key === 'string' ? key : (key as (id: string) => string)('ID')
      return text.endsWith('/') && typeof key === 'string'
        ? []
        : [text.slice('watchbill/s/'.length).replace('ID', `<${argument}>`)]
    })
    assert.ok(keys.length > 12, keys.join())
    assert.deepEqual(
      keys.filter(key => !named.includes(key)),
      [],
    )
    const lock = lockKeysOf('n')
    for (const key of [lock.spec, lock.slots])
      assert.ok(page.includes(`\`${key.replace('/n/', '/<name>/')}`), `${key} of a lock`)
  })

  test('names every file', () => {
    const files = instanceFiles('/root', 'n:s')
    const { worker, standIn, clock, seen, partition, ...own } = files
    const paths = [own, clock, partition('7'), worker, standIn].flatMap(one => Object.values(one)) as string[]
    const names = new Set(paths.filter(path => path !== files.directory).map(path => path.split('/').at(-1) as string))
    const shown = new Set(named.flatMap(name => name.replace(/\/$/, '').split('/')))
    const above = ['partition', '7', '.worker', '.stand-in', 'n:s'] // directories, which the tables are of
    assert.deepEqual(
      [...names].filter(name => !shown.has(name) && !above.includes(name)),
      [],
    )
    assert.ok(seen('x').endsWith('/seen.x') && named.includes('seen.<handler>'))
  })

  test('names every variable that the code reads or sets', () => {
    const sources = globSync(['lib/**/*.{ts,sh}', 'handlers/*.ts'], { cwd: root }).map(textOf).join('\n')
    const variables = new Set([...sources.matchAll(/\b(?:WATCHBILL|CONSUL)_[A-Z_]*[A-Z]\b/g)].map(([name]) => name))
    const internal = /^WATCHBILL_(CALLER|VARIABLES)/
    assert.ok(variables.size > 25)
    assert.deepEqual(
      [...variables].filter(name => !named.includes(name) && !internal.test(name)),
      [],
    )
  })
})
