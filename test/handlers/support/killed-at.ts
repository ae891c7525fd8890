/**
 * Loaded into a handler before it runs: kills it with SIGKILL at the n-th of the moments at which what it would leave
 * behind differs: before each change of the disk, before a process is started and after, before a request that changes
 * Consul is sent, after it is sent, and when its answer has come. What only reads (or renews) is no moment, nor is a
 * change that changes nothing, nor the temporary file before its rename.
 *
 * KILL_AT     n, from 1 on
 * KILL_KINDS  the kinds of moments that count, separated by commas; all when left out
 * KILLED      a file that gets the name of the moment right before the end
 */
import childProcess from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { Socket } from 'node:net'
import { basename } from 'node:path'

const { existsSync, writeFileSync } = fs
const { KILL_AT, KILL_KINDS, KILLED = '/dev/null' } = process.env
let count = 0

function moment(kind: string, what: string): void {
  if (KILL_KINDS && !KILL_KINDS.split(',').includes(kind)) return
  count += 1
  if (count !== Number(KILL_AT)) return
  writeFileSync(KILLED, `${kind} ${what}`.replace(/\.\d+\.new/, ''))
  process.kill(process.pid, 'SIGKILL') // it does not return
}

type Call = (this: unknown, ...args: unknown[]) => unknown

/** Does something before each call of a function, and something after it. */
function around(owner: object, name: string, before: Call, after: Call = () => {}): void {
  const functions = owner as Record<string, Call>
  const original = functions[name] as Call
  functions[name] = function (...args) {
    before.apply(this, args)
    const result = original.apply(this, args)
    after.apply(this, args)
    return result
  }
}

const named = (path: unknown) => basename(String(path))
around(fs, 'renameSync', from => moment('rename', named(from)))
for (const name of ['rmSync', 'rmdirSync', 'rmdir', 'utimesSync', 'utimes']) {
  around(fs, name, path => existsSync(String(path)) && moment(name, named(path)))
}
for (const name of ['mkdirSync', 'mkdir']) {
  around(fs, name, path => !existsSync(String(path)) && moment(name, named(path)))
}
around(fs, 'openSync', (path, flags) => {
  const makes = flags !== undefined && flags !== 'r' && !String(path).endsWith('.new') && !existsSync(String(path))
  if (makes) moment('open', named(path))
})
around(
  childProcess,
  'spawn',
  command => moment('spawn', String(command)),
  command => moment('spawned', String(command)),
)

/** The request that is being sent, or waits for its answer, when it is one that changes something. */
let request = ''

around(
  Socket.prototype,
  'write',
  function (data) {
    const [line = ''] = /^(GET|PUT|DELETE) \S+/.exec(String(data)) ?? []
    if (line) request = /^GET|\?consistent$|\/session\/renew\//.test(line) ? '' : line
    if (isSent(this)) moment('send', request)
  },
  function () {
    if (isSent(this)) moment('sent', request)
  },
)

around(Socket.prototype, 'push', function () {
  if (!request || (this as Socket).remotePort === undefined) return
  moment('answer', request)
  request = ''
})

/** A request that changes something, to Consul; head and body are one write. */
function isSent(socket: unknown): boolean {
  return request !== '' && (socket as Socket).remotePort !== undefined
}

syncBuiltinESMExports()
