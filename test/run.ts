/**
 * Runs the tests whose files match a pattern.
 *
 *   node test/run.ts [--concurrency 3] PATTERN ...
 *
 * Many of them measure seconds on real agents, and other work on the machine makes them late. So the files that did not
 * pass run once more, one at a time, and are named at the end: whoever sees one there twice mends it. Where more than a
 * few did not, nothing runs again. Exits 0 when all passed, 1 when one did not, 100 usage.
 */
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { execa } from 'execa'

const mostFiles = 4

/**
 * A file has passed when it says so itself and no test of it failed. One whose process or whose runner was killed says
 * nothing, and neither does one that ended before its tests did, or has none.
 *
 * @returns the files that did not pass; null when all did
 */
async function notPassed(files: readonly string[], concurrency: string): Promise<string[] | null> {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-tests-'))
  const list = join(folder, 'results')
  const reporters = [
    ['--test-reporter=spec', '--test-reporter-destination=stdout'],
    [`--test-reporter=${import.meta.dirname}/file-results.ts`, `--test-reporter-destination=${list}`],
  ].flat()
  const args = ['--test', `--test-concurrency=${concurrency}`, ...reporters, ...files]
  const { exitCode } = await execa(process.execPath, args, { stdio: 'inherit', reject: false })
  const results = new Set(readFileSync(list, 'utf8').split('\n'))
  rmSync(folder, { recursive: true })
  const rest = files.filter(file => !results.has(`passed ${resolve(file)}`) || results.has(`failed ${resolve(file)}`))
  return exitCode === 0 && rest.length === 0 ? null : rest
}

const { values, positionals } = parseArgs({
  options: { concurrency: { type: 'string', default: '3' } },
  allowPositionals: true,
})
if (positionals.length === 0) {
  console.error("run: permanent: no pattern of files was given; give one, such as 'test/**/*.test.ts'")
  process.exit(100)
}
const files = new Set<string>()
for (const pattern of positionals) {
  const found = globSync(pattern).map(file => relative(process.cwd(), file))
  if (found.length === 0) {
    console.error(
      `run: permanent: no file matches ${pattern}; give a pattern of test files, such as 'test/**/*.test.ts'`,
    )
    process.exit(100)
  }
  for (const file of found.sort()) files.add(file)
}
const failed = await notPassed([...files], values.concurrency)
if (failed !== null && failed.length > 0 && failed.length <= mostFiles) {
  console.log(`\nonce more, one at a time: ${failed.join(', ')}`)
  const again = await notPassed(failed, '1')
  console.log(`\nfailed once: ${failed.join(', ')}; failed twice: ${again?.join(', ') ?? 'none'}`)
  process.exitCode = again === null ? 0 : 1
} else if (failed !== null) {
  console.log(`\nfailed: ${failed.join(', ')}`)
  process.exitCode = 1
}
