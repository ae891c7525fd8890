/**
 * How every program of a release starts: this file stands there once per program, as <program>.cjs. It loads the
 * program's bundle from lib/ with the compiled code that `configure` kept of it in cache/, so that V8 need not compile
 * what runs at every tick. Node's own module.enableCompileCache does not do here: it keeps one cache per user, which
 * only that user can read (0600, seen on 24.21), and Consul runs the programs as another one; and what it keeps lacks
 * the functions that were compiled after the file was loaded.
 *
 * Code that does not fit (another Node, other flags) is passed over by V8, and none at all is no fault: it is only slower.
 */
'use strict'
const { readFileSync } = require('node:fs')
const { basename } = require('node:path')
const { Script } = require('node:vm')

const program = basename(__filename, '.cjs')
const loaded = new Map()
/** Each file's compiled code: its path, and the script to take it from. See keep.cjs. */
const scripts = new Map()
module.exports = scripts

function load(name) {
  if (!loaded.has(name)) run(name, `${__dirname}/lib/${name}`, `${__dirname}/cache/${program}/${name}`)
  return loaded.get(name).exports
}

function run(name, filename, cache) {
  const source = readFileSync(filename, 'latin1') // esbuild writes ASCII
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`
  const script = new Script(wrapped, { filename, cachedData: contents(cache) })
  scripts.set(cache, script)
  const unit = { exports: {} }
  loaded.set(name, unit)
  script.runInThisContext()(unit.exports, need, unit, filename, `${__dirname}/lib`)
}

/** A part that is loaded late, or one of Node's modules. */
function need(id) {
  return id.startsWith('./') ? load(id.slice(2)) : require(id)
}

function contents(file) {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

load(`${program}.cjs`)
