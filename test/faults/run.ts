/**
 * The fault lab: real agents on separate hosts, and every fault that they must survive.
 *
 *   npm run test:faults                                    every fault once, alone
 *   npm run test:faults -- --only host-cut,leave           these faults
 *   npm run test:faults -- --times 3                       each fault so many times
 *   npm run test:faults -- --ci                            the few that CI runs
 *   npm run test:faults -- --campaign 100 [--seed 7]       so many trials, single faults and pairs, in random order
 *   npm run test:faults -- --resume FILE                   the rest of a campaign
 *   npm run test:faults -- --false-alarms [10]             how many processes run through faults that should end none
 *   npm run test:faults -- --limits [--only EMFILE,FSIZE]  every limit on every part, one host each (needs strace)
 *
 * --as-user (agents, handlers and workers run as an unprivileged user), --no-groups (no control groups for partitions),
 * --rolling (a roll-out is always under way; the time without an owner is not judged),
 * --isolated (services beside it that may run twice while a host is cut off: see beside.ts),
 * --gossip default|tuned (tuned by default), --json, --keep (keeps the lab's folder; after a failure it is always kept).
 * Exits 0 when all passed, or when the machine cannot run it; 1 when one failed; 100 usage.
 */
import { reason } from '../../lib/base/errors.ts'
import { Lab } from './lab.ts'
import { missing } from './needs.ts'
import { type Options, optionsFrom } from './options.ts'
import { type Played, play } from './play.ts'
import { Roller } from './roller.ts'
import { heading, line } from './table.ts'

const options = optionsFrom(process.argv.slice(2))
const say = (text: string) => options.json || console.log(text)
const lack = await missing(say, options.needs)
if (lack !== null) {
  console.log(`skipped: the fault lab cannot run here: ${lack}`)
} else {
  process.exitCode = (await judged(options)) ? 0 : 1
}

async function judged(options: Options): Promise<boolean> {
  const { clients, gossip, asUser, noGroups, rolling, isolated, trials, before, head, note, summary, keep } = options
  const played = [...before]
  for (const text of head) say(text)
  const lab = await Lab.start({ clients, gossip, asUser, noGroups, rolling, isolated, say })
  const roller = rolling ? new Roller(lab) : null
  let interrupted = false
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      interrupted = true
      void lab.close({ keep }).finally(() => process.exit(1))
    })
  }
  let end: string | null = null
  try {
    say(`the lab is in ${lab.root}`)
    say(heading())
    const told = (one: Played) => {
      if (interrupted) return // a failure after an interrupt says nothing about watchbill
      played.push(one)
      note(one)
      console.log(options.json ? JSON.stringify(one) : line(one))
    }
    await play(lab, trials, told, before.length)
  } catch (error) {
    end = `cannot go on: ${reason(error)}`
  }
  const rolled = await roller?.end()
  if (rolled !== undefined) say(rolled)
  const failed = played.filter(({ faults }) => faults.length > 0).length
  await lab.close({ keep: keep || failed > 0 || end !== null })
  const { lines, ok } = summary(played)
  for (const text of [...lines, ...(end === null ? [] : [end])]) console.log(text)
  const notOk = failed + (ok ? 0 : 1) + (end === null ? 0 : 1)
  console.log(`${played.length - failed} passed, ${notOk} failed`)
  return notOk === 0
}
