/** Every man page, as man's own programs see it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import { manPages } from '../../lib/setup/man/pages.ts'
import { programNames } from '../../lib/setup/release/bundle.ts'

const has = async (program: string) => !(await execa('which', [program], { reject: false })).failed

test('every program has a man page, which groff and mandoc take without a warning', async t => {
  const pages = await manPages('2026-01-31')
  assert.deepEqual(
    [...pages.keys()].sort(),
    ['watchbill.1', ...programNames().map(name => `watchbill-${name}.1`)].sort(),
  )
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-man-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of pages) writeFileSync(join(folder, name), text)
  const files = [...pages.keys()].map(name => join(folder, name))
  const [groff, mandoc] = [await has('groff'), await has('mandoc')]
  if (!groff && !mandoc) return t.skip('there is neither groff nor mandoc here')
  if (groff)
    for (const file of files) {
      const { stdout, stderr } = await execa('groff', ['-man', '-Tutf8', '-ww', '-rLL=78n', file])
      assert.equal(stderr, '', file)
      assert.match(withoutOverstrikes(stdout), /SYNOPSIS/)
    }
  if (mandoc) {
    const { stdout, stderr } = await execa('mandoc', ['-Tlint', '-Wwarning', ...files], { reject: false })
    assert.equal(`${stdout}${stderr}`, '')
  }
  t.diagnostic(`${pages.size} pages; ${[groff && 'groff', mandoc && 'mandoc'].filter(Boolean).join(' and ')}`)
})

/** Bold letters are printed twice, one over the other. */
function withoutOverstrikes(text: string): string {
  const parts = text.split('\b')
  return parts.map((part, index) => (index < parts.length - 1 ? part.slice(0, -1) : part)).join('')
}
