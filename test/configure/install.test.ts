import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { beforeEach, describe, test } from 'node:test'
import { install, uninstall } from '../../lib/setup/install.ts'
import { folder } from './run.ts'

const top = folder()
let count = 0
let directory = ''
let file = ''

beforeEach(async () => {
  directory = `${top}/${++count}`
  await mkdir(directory)
  file = `${directory}/watchbill-mail.json`
})

describe('install', () => {
  test('writes a file that everybody may read, and leaves nothing beside it', () => {
    const umask = process.umask(0o077)
    assert.equal(install(file, 'new\n'), 'wrote')
    process.umask(umask)
    assert.equal(readFileSync(file, 'utf8'), 'new\n')
    assert.equal(statSync(file).mode & 0o777, 0o644)
    assert.deepEqual(readdirSync(directory), ['watchbill-mail.json'])
  })

  test('leaves a file alone that says it already', () => {
    install(file, 'same\n')
    const { ino, mtimeMs } = statSync(file)
    assert.equal(install(file, 'same\n'), 'unchanged')
    assert.deepEqual([statSync(file).ino, statSync(file).mtimeMs], [ino, mtimeMs])
  })

  test('renames a new file over the old one, so that a reader sees either', () => {
    install(file, 'old\n')
    const { ino } = statSync(file)
    assert.equal(install(file, 'new\n'), 'wrote')
    assert.notEqual(statSync(file).ino, ino)
  })

  test('says what it would do, and does nothing', () => {
    assert.equal(install(file, 'new\n', true), 'wrote')
    assert.deepEqual(readdirSync(directory), [])
  })

  test('cannot write where there is no directory', () => {
    assert.throws(() => install(`${directory}/none/a.json`, ''), {
      name: 'Permanent',
      message: `cannot write ${directory}/none/a.json: there is no such directory; make it, or name another one`,
    })
  })

  test('cannot write over a directory', () => {
    assert.throws(() => install(directory, ''), { name: 'Permanent', message: /it is a directory/ })
  })

  test('cannot write where it may not', { skip: process.getuid?.() === 0 && 'root may write everywhere' }, () => {
    chmodSync(directory, 0o555)
    assert.throws(() => install(file, ''), { name: 'Permanent', message: /this user may not/ })
  })
})

describe('uninstall', () => {
  test('removes a file', () => {
    writeFileSync(file, '')
    assert.equal(uninstall(file, true), 'removed')
    assert.equal(uninstall(file), 'removed')
    assert.deepEqual(readdirSync(directory), [])
  })

  test('has nothing to do where there is none', () => assert.equal(uninstall(file), 'unchanged'))
})
