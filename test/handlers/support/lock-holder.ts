/**
 * A process that works under the handler lock and is led by the test, line by line.
 *
 *   node lock-holder.ts DIRECTORY led               on `go` it wants the lock; its work lasts until `end`
 *   node lock-holder.ts DIRECTORY led releasing     the same; before it lets go it stops itself
 *   node lock-holder.ts DIRECTORY led marking       the same; before it leaves its mark it stops itself
 *   node lock-holder.ts DIRECTORY led taking        the same; before it takes the lock, when it has seen it free
 *   node lock-holder.ts DIRECTORY led robbing       the same; before it removes the name of a dead holder
 *   node lock-holder.ts DIRECTORY hammer N          N times, for 1 to 3 ms each, looking for others who are inside too
 *
 * It says `ready`; `in` and `out` for each round of work; `releasing`, `marking`, `taking`, `robbing` before it stops itself; and at the end
 * `true` or `false`, whether it was the only one, and how many ms that took until the first `in`, or until the end.
 */
import fs, { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { processOf } from '../../../lib/machine/identity.ts'
import { lives } from './processes.ts'

const [directory = '', mode, detail = ''] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (line: string) => process.stdout.write(`${line}\n`)

const own = `/handler.lock/${process.pid}-${processOf(process.pid)?.start}`
if (detail === 'releasing') stopBefore('unlinkSync', file => file.endsWith(own))
if (detail === 'marking') stopBefore('renameSync', (_, file) => file?.endsWith('/handler.mark'))
if (detail === 'taking') stopBefore('renameSync', (_, file) => file?.endsWith('/handler.lock'))
if (detail === 'robbing') stopBefore('unlinkSync', file => file.includes('/handler.lock/'))
const { asOnlyHandler } = await import('../../../lib/state/handler-lock.ts')
if (mode === 'hammer') await hammer(Number(detail))
else await led()
process.exit()

async function led(): Promise<void> {
  say('ready')
  await heard('go')
  const began = performance.now()
  let inside = 0
  const alone = await asOnlyHandler(directory, async () => {
    inside ||= performance.now()
    say('in')
    await heard('end')
    say('out')
  })
  say(`${alone} ${Math.round((inside || performance.now()) - began)}`)
}

async function heard(word: string): Promise<void> {
  const { value } = await lines.next()
  if (value !== word) process.exit(1) // the test is over
}

async function hammer(times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await asOnlyHandler(directory, visit)
    await delay(Math.random() * 3)
  }
  say('done')
}

/** Whoever is inside has a file there; those of the killed stay. */
async function visit(): Promise<void> {
  const inside = `${directory}/inside`
  mkdirSync(inside, { recursive: true })
  writeFileSync(`${inside}/${process.pid}`, '')
  say('in')
  await delay(1 + Math.random() * 2)
  const others = readdirSync(inside).filter(pid => Number(pid) !== process.pid && lives(Number(pid)))
  if (others.length > 0) say(`not alone: ${process.pid} with ${others}`)
  rmSync(`${inside}/${process.pid}`)
}

/** Says so, and stops itself until the test lets it go on, before it first does something to certain files. */
function stopBefore(name: 'renameSync' | 'unlinkSync', matches: (...files: string[]) => boolean | undefined): void {
  const functions = fs as unknown as Record<string, (...args: unknown[]) => unknown>
  const original = functions[name] as (typeof functions)[string]
  let stopped = false
  functions[name] = (...args) => {
    if (!stopped && matches(...args.map(String))) {
      stopped = true
      fs.writeSync(1, `${detail}\n`)
      process.kill(process.pid, 'SIGSTOP')
    }
    return original(...args)
  }
  syncBuiltinESMExports() // what is loaded later takes these
}
