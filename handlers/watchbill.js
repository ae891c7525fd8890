#!/usr/bin/env node
/**
 * watchbill <program> [arguments]: runs handlers/<program>.ts with Node, wherever this package is installed.
 *
 * Plain JavaScript that old Nodes can read, from 12.20 on: one before 22.19 runs the program with the Node that `npm ci`
 * brought, or says what is needed. This process becomes the program; below node_modules with lib/program/typescript.mjs, since
 * Node's own reader of TypeScript refuses files there. Where Node cannot do that (before 22.15) it is a process of its own:
 * signals go through to it, and its exit code comes back.
 * What is no program is what handlers/help.ts answers to: watchbill alone, --help, --version, a typing mistake.
 * Exits: as the program does; 100 when there is no Node to run it
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const needed = [22, 19]
const handlers = dirname(fileURLToPath(import.meta.url))
const resolve = createRequire(import.meta.url).resolve

function main(name, args) {
  if (name === undefined) return start('help', ['--first'])
  if (name === '--help' || name === '-h') return start('help', args)
  if (name === '--version' || name === '-V') return start('help', ['--version'])
  if (!/^[\w-]+$/.test(name) || !existsSync(join(handlers, `${name}.ts`))) return start('help', ['--', name])
  start(name, args)
}

function start(name, args) {
  const node = enough(process.versions.node) ? process.execPath : brought()
  const version = needed.join('.')
  if (node === null)
    return refuse(
      `it needs Node ${version} or later, this is ${process.version}; run it with that, or ${remedy()}`,
      name,
    )
  run(node, [...reader(), join(handlers, `${name}.ts`), ...args])
}

function enough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}

function isInstalled() {
  return handlers.split(sep).includes('node_modules')
}

/** How to get a Node that is new enough. An installed package has no lock file, so npm ci only works in a checkout. */
function remedy() {
  return isInstalled() ? 'npm install node@24 beside watchbill' : 'run npm ci'
}

/** What Node needs to read TypeScript where this package stands. */
function reader() {
  const file = join(handlers, '../lib/program/typescript.mjs')
  if (!isInstalled()) return []
  return ['--disable-warning=ExperimentalWarning', '--import', pathToFileURL(file).href]
}

/** The Node that `npm ci` brought, or that is installed beside this package; null when there is none. */
function brought() {
  return installed(`node-linux-${process.arch}/package.json`, 'bin/node') || installed('node/package.json', 'bin/node')
}

/** A file of an installed package; null when it is not there. */
function installed(manifest, file) {
  try {
    const path = join(dirname(resolve(manifest)), file)
    return existsSync(path) ? path : null
  } catch (_) {
    return null
  }
}

function run(node, args) {
  if (process.execve) return process.execve(node, [node, ...args], process.env)
  // The channel closes when this process is killed: `lock` must notice that.
  const child = spawn(node, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  const signals = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGQUIT']
  // A signal typed at a terminal reaches the program by itself.
  const typed = signal => process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')
  for (const signal of signals) process.on(signal, () => typed(signal) || child.kill(signal))
  child.on('error', error => refuse(`${error.message}; ${remedy()}`, node))
  child.on('exit', (code, signal) => {
    for (const name of signals) process.removeAllListeners(name)
    if (signal === null) process.exitCode = code
    else process.kill(process.pid, signal)
  })
}

function refuse(why, name) {
  process.stderr.write(`watchbill: permanent: cannot run ${name}: ${why}\n`)
  process.exitCode = 100
}

main(process.argv[2], process.argv.slice(3))
