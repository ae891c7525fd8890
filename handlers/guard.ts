/**
 * Runs when:      Consul's agent runs it as the instance's script check, every guard interval
 * Reads:          Consul (a consistent read of this instance's locks), the state directory, /proc
 * May change:     the lease; kills processes that would outlive it; starts reconcile, attend, sync, scheduler, rerender, rollout
 * Never changes:  Consul, except that it renews its session, publishes its figures and its partitions' health, and marks its
 *                 member key as leaving when no lease can be written
 * Exits:          0 passing: Consul answered, or the lease runs; 2 critical: the lease is over and nothing runs
 */
import { duration } from '../lib/base/clock.ts'
import { Permanent } from '../lib/base/errors.ts'
import { Consul } from '../lib/consul/http.ts'
import { answerLimit, guard, type Seen } from '../lib/guard/guard.ts'
import { print, program } from '../lib/program/frame.ts'
import { instanceArgs, thisInstance } from '../lib/program/instance-args.ts'
import type { Self } from '../lib/state/self.ts'

program({
  name: 'guard',
  about: "Run by Consul as a script check: proves that this instance's locks are held, and extends the lease.",
  args: { ...instanceArgs, interval: { type: 'string', description: "the check's interval", default: '2s' } },
  exits: '0 passing, 2 critical (the lease is over and nothing runs)',
  deadline: answerLimit + 3000,
  async run(args) {
    const interval = duration(args.interval)
    if (interval === null) throw new Permanent(`cannot read the arguments: --interval ${args.interval} is no duration`)
    const here = thisInstance(args)
    const { code, sentence, starts, seen } = await guard(here, interval)
    if (starts.size > 0) {
      const { startDetached } = await import('../lib/process/beside.ts') // most ticks start nothing
      for (const [program, more] of starts) startDetached(program, here, ...more)
    }
    print(sentence)
    if (seen) await afterVerdict(here, interval, seen)
    return code
  },
})

/** The verdict is printed by now, and no failure of what follows can change it: its code may even be unreadable. */
async function afterVerdict(here: Self, interval: number, seen: Seen): Promise<void> {
  const connect = (limit: number) => new Consul({ limit })
  try {
    const { tellAfterVerdict } = await import('../lib/guard/after-verdict.ts')
    await tellAfterVerdict(here, interval, seen, connect)
  } catch {
    // The tick's exit code is all that matters.
  }
}
