import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { beforeEach, describe, test } from 'node:test'
import { prune } from '../../lib/setup/release/prune.ts'
import { folder } from './run.ts'

const top = folder()
let count = 0
let home = ''

beforeEach(() => {
  home = `${top}/${++count}`
})

/** Makes releases, the first the oldest, each a day older than the next. */
function releases(...names: string[]): void {
  for (const [at, name] of names.entries()) {
    const time = new Date(Date.now() - (names.length - at) * 86_400_000)
    mkdirSync(`${home}/releases/${name}/lib`, { recursive: true })
    utimesSync(`${home}/releases/${name}`, time, time)
  }
}

const left = () => readdirSync(`${home}/releases`).sort()

describe('old releases', () => {
  test('go but for the newest three', () => {
    releases('1-a', '1-b', '1-c', '1-d', '1-e')
    prune(home, '1-e')
    assert.deepEqual(left(), ['1-c', '1-d', '1-e'])
  })

  test('stay when there are no more than three', () => {
    releases('1-a', '1-b', '1-c')
    prune(home, '1-c')
    assert.equal(left().length, 3)
  })

  test('stay when one of them is in force', () => {
    releases('1-a', '1-b', '1-c', '1-d')
    prune(home, '1-a')
    assert.equal(left().length, 4)
  })

  test('stay as long as a process runs from one', async t => {
    releases('1-a', '1-b', '1-c', '1-d', '1-e')
    const shepherd = `${home}/releases/1-a/lib/shepherd.sh`
    writeFileSync(shepherd, 'while :; do sleep 1; done\n')
    const child = spawn('/bin/sh', [shepherd], { stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    await once(child, 'spawn')
    prune(home, '1-e')
    assert.deepEqual(left(), ['1-a', '1-c', '1-d', '1-e'])
  })

  test('stay when the system cannot look at what runs', t => {
    releases('1-a', '1-b', '1-c', '1-d', '1-e')
    const refused = Object.assign(new Error('no descriptors'), { code: 'ENFILE' })
    const { mock } = t.mock.method(fs, 'readFileSync', () => {
      throw refused
    })
    syncBuiltinESMExports()
    try {
      assert.throws(() => prune(home, '1-e'), refused)
    } finally {
      mock.restore()
      syncBuiltinESMExports()
    }
    assert.equal(left().length, 5)
  })

  test('half a release goes an hour after its builder', () => {
    releases('.77.new', '1-a')
    mkdirSync(`${home}/releases/.78.new`)
    prune(home, '1-a')
    assert.deepEqual(left(), ['.78.new', '1-a'])
  })
})
