/**
 * Loaded before a program of a release (`node -r lib/keep.cjs guard.cjs …`) to keep the code that it has compiled, as
 * entry.cjs reads it. Code that is there already stays as it is. What runs so is a rehearsal: it starts no other process.
 */
'use strict'
const child = require('node:child_process')
const { EventEmitter } = require('node:events')
const { linkSync, mkdirSync, rmSync, writeFileSync } = require('node:fs')
const { dirname } = require('node:path')

child.spawn = () => {
  const ended = Object.assign(new EventEmitter(), { pid: process.pid, unref() {}, kill() {} })
  ended.stdin = Object.assign(new EventEmitter(), { end() {} })
  setImmediate(() => ended.emit('exit', 0, null))
  return ended
}

process.on('exit', () => {
  for (const [file, script] of process.mainModule.exports) keep(file, script.createCachedData())
})

/** Whole or not at all: V8 believes what it reads. */
function keep(file, code) {
  const fresh = `${file}.${process.pid}.new`
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
  writeFileSync(fresh, code, { mode: 0o644 })
  try {
    linkSync(fresh, file)
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  } finally {
    rmSync(fresh)
  }
}
