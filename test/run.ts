/**
 * Runs the tests whose files match a pattern.
 *
 *   node test/run.ts [--concurrency 3] PATTERN ...
 *
 * Many of them measure seconds on real agents, and other work on the machine makes them late. So the files in which a test
 * failed run once more, one at a time, and are named at the end: whoever sees one there twice mends it. Where more than a
 * few failed, nothing runs again. Exits 0 when all passed, 1 when one failed, 100 usage.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { execa } from 'execa'

const mostFiles = 4

/** @returns the files in which a test failed; null when all passed */
async function failedFiles(patterns: readonly string[], concurrency: string): Promise<string[] | null> {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-tests-'))
  const list = join(folder, 'failed')
  const reporters = [
    ['--test-reporter=spec', '--test-reporter-destination=stdout'],
    [`--test-reporter=${import.meta.dirname}/failed-files.ts`, `--test-reporter-destination=${list}`],
  ].flat()
  const args = ['--test', `--test-concurrency=${concurrency}`, ...reporters, ...patterns]
  const { exitCode } = await execa(process.execPath, args, { stdio: 'inherit', reject: false })
  const failed = new Set(readFileSync(list, 'utf8').split('\n').filter(Boolean))
  rmSync(folder, { recursive: true })
  return exitCode === 0 ? null : [...failed].map(file => relative(process.cwd(), file)).sort()
}

const { values, positionals } = parseArgs({
  options: { concurrency: { type: 'string', default: '3' } },
  allowPositionals: true,
})
if (positionals.length === 0) {
  console.error("run: permanent: no pattern of files was given; give one, such as 'test/**/*.test.ts'")
  process.exit(100)
}
const failed = await failedFiles(positionals, values.concurrency)
if (failed !== null && failed.length > 0 && failed.length <= mostFiles) {
  console.log(`\nonce more, one at a time: ${failed.join(', ')}`)
  const again = await failedFiles(failed, '1')
  console.log(`\nfailed once: ${failed.join(', ')}; failed twice: ${again?.join(', ') ?? 'none'}`)
  process.exitCode = again === null ? 0 : 1
} else if (failed !== null) {
  process.exitCode = 1
}
