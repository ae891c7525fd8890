import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'

/** @param files name and text of each test file; `once(name)` is true when it is called for the first time. */
async function run(t: TestContext, files: Record<string, string>, patterns: readonly string[] = ['*.test.ts']) {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-run-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries({ 'once.ts': onceText, ...files })) writeFileSync(join(folder, name), text)
  const args = [join(import.meta.dirname, 'run.ts'), '--concurrency', '1', ...patterns]
  // With NODE_TEST_CONTEXT, which is set for this test, node --test would run nothing.
  const options = { cwd: folder, reject: false, all: true, env: { NODE_TEST_CONTEXT: undefined } } as const
  const { exitCode, all } = await execa(process.execPath, args, options)
  return { exitCode, all, last: all.trimEnd().split('\n').at(-1) }
}

const onceText = `
  import { existsSync, writeFileSync } from 'node:fs'
  export const once = name => !existsSync(name) && (writeFileSync(name, ''), true)`
const passing = `
  import { test } from 'node:test'
  test('passes', () => {})`
const defined = `
  import { test } from 'node:test'
  export const fails = () => test('fails', () => { throw new Error('it fails') })`

const lost: [what: string, text: string][] = [
  ['a test that another file defines fails', `import { fails } from './defined.ts'\nfails()`],
  ['a file throws before its first test', `throw new Error('no test is reached')`],
  ['the process of a file is killed', `process.kill(process.pid, 'SIGKILL')`],
  ['a file ends before its test does', `${passing}\ntest('ends', () => process.exit(0))`],
  ['a file has no test', `export {}`],
  ['a file throws after its last test', `${passing}\nsetTimeout(() => { throw new Error('late') }, 100)`],
]

describe('the run of the tests', { concurrency: 2 }, () => {
  for (const [what, text] of lost) {
    it(`fails when ${what}, twice`, async t => {
      const { exitCode, last, all } = await run(t, { 'a.test.ts': text, 'b.test.ts': passing, 'defined.ts': defined })
      assert.equal(exitCode, 1, all)
      assert.equal(last, 'failed once: a.test.ts; failed twice: a.test.ts')
    })
  }

  it('passes when a file that failed passes alone', async t => {
    const text = `${passing}\nimport { once } from './once.ts'\ntest('late', () => { if (once('late')) throw new Error() })`
    const { exitCode, last, all } = await run(t, { 'a.test.ts': text, 'b.test.ts': passing })
    assert.equal(exitCode, 0, all)
    assert.equal(last, 'failed once: a.test.ts; failed twice: none')
  })

  it('runs again what had not passed when the runner was killed', async t => {
    const kills = `import { once } from './once.ts'\nif (once('killed')) process.kill(process.ppid, 'SIGKILL')\n${passing}`
    const files = {
      'a.test.ts': passing,
      'b.test.ts': kills,
      'c.test.ts': `import { fails } from './defined.ts'\nfails()`,
    }
    const { exitCode, last, all } = await run(t, { ...files, 'defined.ts': defined })
    assert.equal(exitCode, 1, all)
    assert.match(last ?? '', /^failed once: .*b\.test\.ts, c\.test\.ts; failed twice: c\.test\.ts$/)
  })

  it('fails when a pattern matches no file', async t => {
    const { exitCode, all } = await run(t, { 'a.test.ts': passing }, ['*.test.ts', 'none/*.test.ts'])
    assert.equal(exitCode, 100)
    assert.match(all, /^run: permanent: no file matches none\/\*\.test\.ts; /)
  })

  it('passes when all pass', async t => {
    const { exitCode, all } = await run(t, { 'a.test.ts': passing, 'b.test.ts': passing })
    assert.equal(exitCode, 0, all)
    assert.doesNotMatch(all, /failed/)
  })
})
