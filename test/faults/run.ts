/**
 * The fault lab: real agents on hosts of their own, and everything that may happen to them.
 *
 *   npm run test:faults                             every fault once, alone
 *   npm run test:faults -- --only host-cut,leave    these
 *   npm run test:faults -- --times 3                each so many times
 *   npm run test:faults -- --ci                     the few that CI runs
 *
 * Exits 0 when all passed, or when the machine cannot run it; 1 when one failed; 100 usage.
 */
import { parseArgs } from 'node:util'
import { reason } from '../../lib/errors.ts'
import { Lab } from './lab.ts'
import { missing } from './needs.ts'
import { Random } from './random.ts'
import { faults, faultsNamed, fewFaults } from './registry.ts'
import { heading, line } from './table.ts'
import { run, type Trial } from './trial.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    times: { type: 'string', default: '1' },
    ci: { type: 'boolean', default: false },
    gossip: { type: 'string', default: 'tuned' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})

const say = (text: string) => console.log(text)
const lack = await missing(say)
if (lack !== null) {
  say(`skipped: the fault lab cannot run here: ${lack}`)
  process.exit(0)
}

const names = values.only?.split(',') ?? (values.ci ? fewFaults : faults.map(({ name }) => name))
const chosen = faultsNamed(names)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const random = new Random(seed)
say(`seed ${seed}`)

const lab = await Lab.start({ clients: 3, gossip: values.gossip === 'default' ? 'default' : 'tuned', say })
let passed = 0
let failed = 0
try {
  say(`the lab is in ${lab.root}`)
  say(heading())
  for (let time = 0; time < Number(values.times); time++) {
    for (const fault of chosen) {
      const host = random.pick(lab.clients).name
      const trial: Trial = { faults: [fault], hosts: [host], delays: [0], seed: random.below(2 ** 31) }
      const outcome = await run(lab, trial)
      say(line(outcome))
      for (const sentence of outcome.faults) say(`    ${sentence}`)
      if (outcome.faults.length === 0) passed++
      else failed++
    }
  }
} catch (error) {
  failed++
  say(`cannot go on: ${reason(error)}`)
} finally {
  await lab.close({ keep: values.keep || failed > 0 })
}
say(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)
