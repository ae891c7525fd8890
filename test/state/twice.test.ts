import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { mustBeRenewable, readTwice, writeTwice } from '../../lib/state/twice.ts'
import { directory } from '../fixtures/state.ts'

/** A shepherd's words for it: what it takes the file's first and second word for. */
const script = readFileSync(new URL('../../lib/process/shepherd/shepherd.sh', import.meta.url), 'utf8')
const inShell = `${/^lease\(\) \{.*?^\}$/ms.exec(script)?.[0]}
lease "$1" && echo "$_first $_second" || echo none`
/** What a shepherd of an older release reads. */
const older = 'read -r _first _second <"$1" && echo "$_first $_second" || echo none'

function shell(text: string, file: string): string {
  return execFileSync('sh', ['-c', text, 'sh', file], { encoding: 'utf8' }).trimEnd()
}

/** Every way to read some of the old bytes and some of the new ones, where `turns` says when the reader meets others. */
function torn(before: string, after: string, turns: readonly number[]): string {
  const texts = [before, after]
  return [...before].map((_, at) => texts[turns.filter(turn => turn <= at).length % 2]?.[at]).join('')
}

describe('a line that stands there twice', () => {
  const rows: [what: string, text: string, line: string | null][] = [
    ['is believed', 'a 5 \na 5 \n', 'a 5'],
    ['is believed as an older release wrote it', 'a 5\n', 'a 5'],
    ['is nothing when the copies differ', 'a 5\na 6\n', null],
    ['is nothing when the second copy was cut off', 'a 5\na 5', null],
    ['is nothing when there is half of the second copy', 'a 5\na', null],
    ['is nothing without its end', 'a 5', null],
    ['is nothing when the file is empty', '', null],
  ]
  for (const [what, text, line] of rows) {
    it(`${what}, for a shepherd too`, t => {
      const file = join(directory(t), 'lease')
      writeFileSync(file, text)
      assert.equal(readTwice(file), line)
      assert.equal(shell(inShell, file), line ?? 'none')
    })
  }

  it('is nothing when there is no file', t => {
    const file = join(directory(t), 'lease')
    assert.equal(readTwice(file), null)
    assert.equal(shell(inShell, file), 'none')
  })

  it('is never a mixture, wherever a reader overtakes the writer or is overtaken', t => {
    const file = join(directory(t), 'lease')
    const [before, after] = ['1999 \n1999 \n', '2000 \n2000 \n']
    for (let first = 0; first <= before.length; first++) {
      for (let second = first; second <= before.length; second++) {
        writeFileSync(file, torn(before, after, [first, second]))
        const read = readTwice(file)
        assert.ok(read === null || read === '1999' || read === '2000', `${first} ${second}: ${read}`)
      }
    }
  })

  it('is read whole while another writes it in place again and again', async t => {
    const file = join(directory(t), 'lease')
    const [one, two] = [`boot ${'1'.repeat(40)}`, `boot ${'2'.repeat(40)}`]
    writeTwice(file, one)
    const writer = spawn(process.execPath, ['--input-type=module', '-e', writing(file, one, two)], { stdio: 'pipe' })
    t.after(() => writer.kill('SIGKILL'))
    await once(writer.stdout, 'data')
    const loop = 'n=0; while [ $n -lt 3000 ]; do lease "$1" && echo "$_first $_second" || echo none; n=$((n + 1)); done'
    const lines = shell(inShell.replace(/^lease "\$1" &&.*/m, loop), file).split('\n')
    const words = [one, two]
    assert.deepEqual(
      [...new Set(lines)].filter(line => line !== 'none' && !words.includes(line)),
      [],
    )
    // Each is read up to five times: a reader that gave up at the first torn one would often see none.
    assert.ok(lines.filter(line => line === 'none').length < 30)
    for (let reads = 0; reads < 20_000; reads++) assert.ok([null, ...words].includes(readTwice(file)))
  })
})

function writing(file: string, ...lines: readonly string[]): string {
  return `
    import { openSync, writeSync } from 'node:fs'
    const texts = ${JSON.stringify(lines.map(line => `${line}\n${line}\n`))}
    const descriptor = openSync(${JSON.stringify(file)}, 'r+')
    console.log('writing')
    const pause = 0.2 // ms: a read meets one write at most
    for (let nth = 0; ; nth++) {
      for (const begun = performance.now(); performance.now() < begun + pause; );
      writeSync(descriptor, texts[nth % 2], 0)
    }`
}

describe('writing it', () => {
  const [five, six] = ['a 5    ', 'a 6    ']

  it('overwrites the file in place, and never changes its size', t => {
    const file = join(directory(t), 'lease')
    writeTwice(file, five)
    const { ino, size } = statSync(file)
    writeTwice(file, six)
    assert.equal(readFileSync(file, 'utf8'), `${six}\n${six}\n`)
    assert.deepEqual([statSync(file).ino, statSync(file).size], [ino, size])
  })

  it('renames it into place where an older release wrote the line once', t => {
    const file = join(directory(t), 'lease')
    writeFileSync(file, 'a 5\n')
    const { ino } = statSync(file)
    writeTwice(file, six)
    assert.equal(readTwice(file), 'a 6')
    assert.notEqual(statSync(file).ino, ino)
  })

  it('is read by a shepherd of an older release', t => {
    const file = join(directory(t), 'lease')
    writeTwice(file, six)
    assert.equal(shell(older, file), 'a 6')
  })

  it('never follows a link', t => {
    const [file, elsewhere] = [join(directory(t), 'lease'), join(directory(t), 'elsewhere')]
    writeFileSync(elsewhere, `${five}\n${five}\n`)
    symlinkSync(elsewhere, file)
    writeTwice(file, six)
    assert.equal(readTwice(elsewhere), 'a 5')
    assert.equal(readTwice(file), 'a 6')
  })

  it('can be tried without a change', t => {
    const file = join(directory(t), 'lease')
    mustBeRenewable(file) // there is none: the first one is renamed into place
    writeTwice(file, five)
    mustBeRenewable(file)
    assert.equal(readFileSync(file, 'utf8'), `${five}\n${five}\n`)
  })
})
