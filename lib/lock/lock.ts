/** `watchbill lock`: takes the lock, runs the command, keeps the lock meanwhile, gives it back when every process is gone. */
import { hostname, constants as os } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../base/clock.ts'
import { Permanent, reason, Temporary } from '../base/errors.ts'
import { lockKeysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { Contest } from './contest.ts'
import { Ending, giveBack, type Keeper, keep } from './keep.ts'
import { environmentFor, newMark, randomId } from './mark.ts'
import type { Order } from './order.ts'
import { mustBeProgram } from './program.ts'
import { type Ended, Run } from './run.ts'
import { onOrphaned, Signals } from './signals.ts'
import { nameRefusal, shown } from './words.ts'

export interface Voice {
  /** One line on stderr. */
  readonly warn: (line: string) => void
  /** The same, with --verbose only. */
  readonly say: (line: string) => void
}

/** How long a waiter may take after a signal to give back what it may hold, ms. */
const leavingLimit = 1500
/** Pause between two tries to give the lock back, and how long to go on trying after the lease, ms. */
const retryPause = 300
const lastTries = 1000

/**
 * @returns the command's exit status, 128+n for a signal; `order.conflict` when the lock could not be taken in time
 * @throws Temporary when the command was stopped, because the lock was lost or it ran too long; Permanent when it cannot be run
 */
export async function lock(order: Order, consul: Consul, voice: Voice): Promise<number> {
  mustBeProgram(order.command[0])
  const [keys, signals, id] = [lockKeysOf(order.name), new Signals(), randomId()]
  const mark = newMark()
  const run = new Run(order, environmentFor(order.name, mark), mark)
  const instance = instanceOf(order)
  const extend = (begun: number) => run.extend(begun + order.terms.lease)
  const contest = new Contest({ consul, keys, order, instance, acquisition: id, signals, ...voice, onTry: extend })
  const won = contest.win()
  setImmediate(() => run.prepare()) // while Consul answers
  const left = signals.came.then(() => delay(leavingLimit, null))
  const held = await Promise.race([won, left])
  const refusal = nameRefusal(order.name, keys)
  if (refusal !== null && held !== null) voice.warn(`${shown(order.name)}: before Consul is upgraded: ${refusal}`)
  if (held === null) {
    run.dismiss()
    if (signals.first === null) voice.warn(contest.why)
    return signals.first === null ? order.conflict : statusOf(signals.first)
  }
  extend(held.proved)
  const keeper = {
    consul,
    keys,
    order,
    instance,
    held,
    onProof: extend,
    leaseRuns: () => run.leaseRuns,
    say: voice.say,
  }
  if (signals.first !== null) {
    run.dismiss()
    await handBack(keeper, voice)
    return statusOf(signals.first)
  }
  signals.passTo(signal => run.signal(signal))
  voice.say(`${shown(order.name)} is held, token ${held.token}`)
  run.start({ WATCHBILL_TOKEN: held.token })
  const ending = new Ending()
  const ended = await whileKept(run, keeper, ending)
  const back = ended.unseen ? null : handBack(keeper, voice)
  ending.over()
  await Promise.all([back, contest.gone])
  return outcome(order, ended)
}

/** The holder's name for people. */
function instanceOf({ label }: Order): string {
  const own = `${hostname()}:${process.pid}`
  return label === null ? own : `${label} (${own})`
}

/** Keeps the lock until every process has ended; stops the command when the lock is lost or the time is over. */
async function whileKept(run: Run, keeper: Keeper, ending: Ending): Promise<Ended> {
  const { timeout } = keeper.order
  let trouble = ''
  const kept = keep(keeper, ending, why => {
    trouble = why
    run.check()
  })
  kept.then(
    why => why && run.stop(`the lock is lost: ${why}`),
    error => run.stop(reason(error)),
  )
  const late = () => run.stop(`it ran longer than ${seconds(timeout ?? 0)}`)
  const timer = timeout === null ? undefined : setTimeout(late, Math.min(timeout, 2 ** 31 - 1))
  onOrphaned(() => run.stop('the program that started this one is gone'))
  const ended = await run.over
  clearTimeout(timer)
  return ended.stopped === null || trouble === '' ? ended : { ...ended, stopped: `${ended.stopped}: ${trouble}` }
}

/** Gives the lock back; while Consul is away, tries until the lease is over. After that the session's end frees it, unclean. */
async function handBack(keeper: Keeper, { warn }: Voice): Promise<void> {
  for (const last = bootClock() + lastTries; ; await delay(retryPause)) {
    try {
      await giveBack(keeper)
      return
    } catch (error) {
      if (keeper.leaseRuns() || bootClock() < last) continue
      warn(`${shown(keeper.order.name)} could not be given back: ${reason(error)}`)
      return
    }
  }
}

function outcome({ name, command }: Order, { code, signal, failed, stopped }: Ended): number {
  if (failed !== null) throw new Permanent(`cannot run ${command[0]}: ${failed}; mend the command`)
  if (stopped === null) return signal === null ? Number(code) : statusOf(signal)
  throw new Temporary(`cannot finish ${shown(name)}: ${stopped}; the command was stopped`)
}

function statusOf(signal: NodeJS.Signals): number {
  return 128 + os.signals[signal]
}
