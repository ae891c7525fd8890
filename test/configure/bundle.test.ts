import assert from 'node:assert/strict'
import { isBuiltin } from 'node:module'
import { before, describe, test } from 'node:test'
import { bundle, programNames, root } from '../../lib/setup/release/bundle.ts'

describe('the bundles', () => {
  let files: ReadonlyMap<string, string>
  const packages = new Set<string>()
  before(async () => {
    files = await bundle(programNames(), packages)
  })
  const text = (name: string) => files.get(name) ?? assert.fail(`there is no ${name}`)

  test('there is one of each program', () => {
    for (const program of programNames()) assert.ok(files.has(`${program}.cjs`), program)
  })

  test('hold no path of this machine', () => {
    for (const [name, text] of files) assert.ok(!text.includes(root), name)
  })

  test('are ASCII, as entry.cjs reads them', () => {
    for (const [name, text] of files) assert.doesNotMatch(withoutComments(text), /[^\0-\x7f]/, name)
  })

  test('require nothing but parts of their own and modules of Node, esbuild aside', () => {
    for (const [name, text] of files) {
      for (const [, id = ''] of text.matchAll(/\brequire\("([^"]+)"\)/g)) {
        const known = id.startsWith('./') ? files.has(id.slice(2)) : isBuiltin(id)
        assert.ok(known || id === 'esbuild', `${name} requires ${id}`)
      }
    }
  })

  test('never load Node’s machinery for ES modules', () => {
    for (const [name, text] of files) assert.doesNotMatch(withoutComments(text), /\bimport\(/, name)
  })

  test('a handler that leaves early reads neither the HTTP client nor the schema', () => {
    assert.ok(text('on-service.cjs').length < 50_000)
    assert.match(text('on-service.cjs'), /require\("\.\/lib\.program\.once\.cjs"\)/)
    assert.doesNotMatch(text('guard.cjs'), /ZodMini/)
    assert.match(text('lib.definition.schema.cjs'), /ZodMini/)
  })

  test('the guard and the handlers load no module of Node only to measure time or to wait', () => {
    const parts = ['guard.after-tick', 'guard.after-verdict', 'guard.figures', 'program.once']
    for (const name of ['guard', 'on-service', 'on-keyprefix', 'on-checks', ...parts.map(part => `lib.${part}`)]) {
      const needless = /\bperformance\.now|import_promises\w* = require/.exec(text(`${name}.cjs`))
      assert.equal(needless, null, name)
    }
  })

  test('only a program’s first part holds the HTTP client: nobody loads it twice', () => {
    for (const [name, text] of files) {
      if (name.startsWith('lib.') && name !== 'lib.program.once.cjs')
        assert.doesNotMatch(text, /cannot reach Consul at/, name)
    }
  })

  test('none loads what few need, HTTP/2 and TLS; but for undici, which only a source that is a server loads, and the page, which serves', () => {
    for (const [name, text] of files) {
      if (name === 'lib.sources.fetch.http.cjs' || name === 'page.cjs') continue
      assert.doesNotMatch(text, /require\("node:(http2|https|tls)"\)/, name)
      assert.doesNotMatch(text, /node_modules\/undici/, name)
    }
  })

  test('tell which packages they hold: each that a comment of theirs names', () => {
    const named = [...files.values()].flatMap(text => [...text.matchAll(/^\s*\/\/ (node_modules\/.*)$/gm)])
    const paths = named.map(([, path = '']) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
    assert.ok(paths.includes('node_modules/undici'))
    assert.deepEqual([...packages].sort(), [...new Set(paths.map(path => `${root}/${path}`))].sort())
  })

  test('are the same when they are made again', async () => {
    for (const [name, again] of await bundle(['guard'])) assert.ok(text(name) === again, name)
  })
})

/** Good enough for what esbuild leaves of them: whole lines, and the ends of lines. */
function withoutComments(text: string): string {
  return text.replace(/(^\s*\(?\*|\/\*|\/\/).*$/gm, '')
}
