/** What `npm pack` takes along: whoever has the tarball can run everything in it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { before, describe, it } from 'node:test'
import { execa } from 'execa'

const root = join(import.meta.dirname, '../..')
const { name, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

describe('the tarball', () => {
  let files: ReadonlySet<string>
  before(async () => {
    const { stdout } = await execa('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root })
    // An array of packages, or, from npm 11.5 on, an object of them by name.
    const [packed] = Object.values(JSON.parse(stdout)) as { files: { path: string }[] }[]
    files = new Set(packed?.files.map(({ path }) => path))
  })

  const modules = () => [...files].filter(file => /\.[cm]?[jt]s$/.test(file) && !file.startsWith('dist/'))
  const text = (file: string) => readFileSync(join(root, file), 'utf8')

  it('holds the programs, what they load, and the licence', () => {
    for (const file of [
      'handlers/guard.ts',
      'lib/guard/guard.ts',
      'lib/process/shepherd/shepherd.sh',
      'lib/process/shepherd/clock.sh',
      'LICENSE',
      'README.md',
    ])
      assert.ok(files.has(file), file)
    assert.ok(modules().length > 100)
  })

  it('holds every file that one of its files imports', () => {
    const missing = modules().flatMap(file =>
      imports(text(file)).flatMap(id => {
        const path = id.startsWith('.') ? normalize(join(dirname(file), id)) : null
        return path === null || files.has(path) ? [] : [`${file} imports ${path}`]
      }),
    )
    assert.deepEqual(missing, [])
  })

  it('imports only packages that are installed with it', () => {
    const known = [...Object.keys(dependencies), name]
    const missing = modules().flatMap(file =>
      imports(text(file)).flatMap(id => {
        const own = /^(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? ''
        const isThere = id.startsWith('.') || isBuiltin(id) || known.includes(own)
        return isThere ? [] : [`${file} imports ${id}`]
      }),
    )
    assert.deepEqual(missing, [])
  })

  it('runs nothing of what stays behind', () => {
    const stays = ['biome', 'tsc', 'test/lab', 'test/run.ts']
    const runs = modules().flatMap(file =>
      stays.filter(what => withoutComments(text(file)).includes(what)).map(what => `${file} names ${what}`),
    )
    assert.deepEqual(runs, [])
  })

  it('holds the examples that need no cluster of their own, whole', () => {
    for (const example of ['first', 'kafka-partitions', 'one-process', 'pager', 'scheduler-module', 'scheduler-python'])
      assert.ok(
        [...files].some(file => file.startsWith(`examples/${example}/`)),
        example,
      )
    const named = [...files].filter(file => /^examples\/.*README\.md$/.test(file))
    for (const readme of named)
      for (const [, path = ''] of text(readme).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const file = normalize(join(dirname(readme), path))
        assert.ok(files.has(file) || [...files].some(one => one.startsWith(`${file}/`)), `${readme} names ${file}`)
      }
  })
})

/** What a module imports, types too. */
function imports(text: string): string[] {
  const code = withoutComments(text)
  const statements = code.matchAll(/^(?:import|export)\s+(?:[^'"`;=]*?\sfrom\s+)?'([^'"]+)'/gm)
  return [...statements, ...code.matchAll(/\bimport\('([^']+)'\)/g)].map(([, id = '']) => id)
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
}
