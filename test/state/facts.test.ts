import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  attempt,
  directoriesIn,
  makeDirectory,
  makeOwnDirectory,
  namesIn,
  readFact,
  readLine,
  removeFact,
  writeFact,
  writeFactIfWanted,
} from '../../lib/state/facts.ts'
import { directory } from '../fixtures/state.ts'

describe('a fact', () => {
  it('is written as a line, and read without its newline', t => {
    const file = join(directory(t), 'fact')
    writeFact(file, 'a\nb ü')
    assert.equal(readFact(file), 'a\nb ü')
    writeFact(file, '')
    assert.equal(readFact(file), '')
  })

  it('is nobody else’s to read, and leaves nothing beside it', t => {
    const root = directory(t)
    writeFact(join(root, 'fact'), 'one')
    writeFact(join(root, 'fact'), 'two')
    assert.equal(statSync(join(root, 'fact')).mode & 0o777, 0o600)
    assert.deepEqual(readdirSync(root), ['fact'])
  })

  it('is null, not empty, when it is missing', t => {
    const root = directory(t)
    assert.equal(readFact(join(root, 'fact')), null)
    assert.equal(readFact(join(root, 'missing/fact')), null)
    writeFileSync(join(root, 'file'), '')
    assert.equal(readFact(join(root, 'file/fact')), null)
  })

  it('that cannot be read is not one that is missing', t => {
    const root = directory(t)
    mkdirSync(join(root, 'fact'))
    assert.throws(() => readFact(join(root, 'fact')), {
      name: 'Temporary',
      message: /^cannot read .*mend the state directory$/,
    })
    assert.throws(() => readLine(join(root, 'fact')), { name: 'Temporary' })
  })

  it('that cannot be written is a failure that names it', t => {
    const file = join(directory(t), 'missing/fact')
    assert.throws(() => writeFact(file, 'x'), { name: 'Temporary', message: new RegExp(`^cannot write ${file}: `) })
  })

  it('in a directory that is gone says so, and asks nobody to make room', t => {
    const file = join(directory(t), 'none', 'fact')
    const message =
      /^cannot write \S+: ENOENT: .*; its directory is missing: repair the state directory if this continues$/
    assert.throws(() => writeFact(file, 'x'), { name: 'Temporary', message })
    assert.equal(writeFactIfWanted(file, 'x'), false)
    assert.equal(writeFactIfWanted(join(directory(t), 'fact'), 'x'), true)
  })

  it('can be removed twice', t => {
    const file = join(directory(t), 'fact')
    writeFact(file, 'x')
    removeFact(file)
    removeFact(file)
    assert.equal(readFact(file), null)
  })
})

describe("a partition's directory", () => {
  it('is no link: what is written there stays below the state directory', t => {
    const root = directory(t)
    const elsewhere = directory(t)
    writeFileSync(join(elsewhere, 'kept'), '')
    mkdirSync(join(root, 'real'))
    symlinkSync(elsewhere, join(root, 'link'))
    symlinkSync('/nowhere', join(root, 'dangling'))
    assert.deepEqual(directoriesIn(root), ['real'])
    for (const name of ['link', 'dangling', 'real']) {
      makeOwnDirectory(join(root, name))
      writeFact(join(root, name, 'fact'), 'x')
    }
    assert.deepEqual(readdirSync(elsewhere), ['kept'])
    assert.deepEqual(directoriesIn(root).sort(), ['dangling', 'link', 'real'])
  })
})

describe("a shepherd's line", () => {
  const cases: [string, string, string | null][] = [
    ['is read without its newline', '12 345\n', '12 345'],
    ['keeps its blanks', ' 12 \n', ' 12 '],
    ['may be empty', '\n', ''],
    ['that is only half written is none', '12 34', null],
    ['that was blanked is none', '', null],
  ]
  for (const [what, text, line] of cases) {
    it(what, t => {
      const file = join(directory(t), 'fact')
      writeFileSync(file, text)
      assert.equal(readLine(file), line)
    })
  }

  it('that is missing is none', t => assert.equal(readLine(join(directory(t), 'fact')), null))
})

describe('a directory', () => {
  it('is made with those above it, for this user alone', t => {
    const path = join(directory(t), 'a/b')
    makeDirectory(path)
    makeDirectory(path)
    assert.equal(statSync(path).mode & 0o777, 0o700)
  })

  it('that is missing holds no names; one that cannot be read is a failure', t => {
    const root = directory(t)
    assert.deepEqual(namesIn(join(root, 'missing')), [])
    writeFileSync(join(root, 'file'), '')
    assert.throws(() => namesIn(join(root, 'file')), { name: 'Temporary' })
  })

  it('where a file stands is a failure', t => {
    const root = directory(t)
    writeFileSync(join(root, 'file'), '')
    assert.throws(() => makeDirectory(join(root, 'file/a')), { name: 'Temporary', message: /^cannot make / })
  })
})

it('a change that fails says what was to be changed', () => {
  assert.equal(
    attempt('x', () => 5),
    5,
  )
  const full = () => {
    throw new Error('no space left\non device')
  }
  assert.throws(() => attempt('write it', full), {
    name: 'Temporary',
    message: 'cannot write it: no space left on device; make room or mend the state directory',
  })
})
