/** The options of the command line. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reason } from '../../lib/base/errors.ts'
import { campaign, each } from './campaign.ts'
import { falseAlarms, ranThrough } from './false-alarms.ts'
import type { Gossip } from './lab.ts'
import { limitedHosts, limitTable, limitTrials } from './limits.ts'
import type { Program } from './needs.ts'
import { begin, note, type Played, resume } from './play.ts'
import { faults, faultsNamed, fewFaults } from './registry.ts'
import type { Trial } from './trial.ts'

export interface Options {
  readonly clients: number
  readonly gossip: Gossip
  readonly asUser: boolean
  readonly noGroups: boolean
  readonly rolling: boolean
  readonly isolated: boolean
  readonly json: boolean
  readonly keep: boolean
  readonly trials: readonly Trial[]
  /** The first trials, when they were played before. */
  readonly before: readonly Played[]
  /** Programs that only these trials need. */
  readonly needs: readonly Program[]
  /** Lines to print at the start. */
  readonly head: readonly string[]
  readonly note: (played: Played) => void
  /** Lines to print at the end, and whether all is as it should be. */
  readonly summary: (played: readonly Played[]) => { lines: string[]; ok: boolean }
}

/** Parses the arguments; ends the process with 100 when they are wrong. */
export function optionsFrom(argv: string[]): Options {
  try {
    return read(argv)
  } catch (error) {
    console.error(`test:faults: permanent: cannot read the arguments: ${reason(error)}; see the head of run.ts`)
    process.exit(100)
  }
}

const nothing = () => ({ lines: [], ok: true })

function read(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      times: { type: 'string', default: '1' },
      ci: { type: 'boolean', default: false },
      campaign: { type: 'string' },
      resume: { type: 'string' },
      'false-alarms': { type: 'string' },
      limits: { type: 'boolean', default: false },
      seed: { type: 'string' },
      gossip: { type: 'string', default: 'tuned' },
      'as-user': { type: 'boolean', default: false },
      'no-groups': { type: 'boolean', default: false },
      rolling: { type: 'boolean', default: false },
      isolated: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  })
  const { json, keep } = values
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : whole('--seed', values.seed)
  const usual = {
    json,
    keep,
    gossip: gossipOf(values.gossip),
    asUser: values['as-user'],
    noGroups: values['no-groups'],
    rolling: values.rolling,
    isolated: values.isolated,
    before: [],
    needs: [],
    clients: 3,
    note: () => {},
    summary: nothing,
  }
  if (values.resume !== undefined) return { ...usual, ...resumed(values.resume) }
  if (values.campaign !== undefined) {
    return { ...usual, ...newCampaign(seed, whole('--campaign', values.campaign), usual) }
  }
  if (values['false-alarms'] !== undefined) {
    const clients = 6
    const trials = each(seed, whole('--false-alarms', values['false-alarms']), falseAlarms, hostNames(clients))
    return { ...usual, clients, trials, head: [`seed ${seed}`], summary: ranThrough }
  }
  if (values.limits) {
    const trials = limitTrials(hostNames(limitedHosts), values.only?.split(','))
    return { ...usual, clients: limitedHosts, trials, head: [], needs: ['strace' as const], summary: limitTable }
  }
  const chosen = values.only ? faultsNamed(values.only.split(',')) : values.ci ? faultsNamed(fewFaults) : faults
  const clients = Math.max(...chosen.map(fault => fault.clients ?? usual.clients))
  const trials = each(seed, whole('--times', values.times), chosen, hostNames(clients))
  return { ...usual, clients, trials, head: [`seed ${seed}`] }
}

function newCampaign(seed: number, count: number, { gossip, clients }: { gossip: Gossip; clients: number }) {
  const file = join(tmpdir(), `watchbill-campaign-${seed}-${process.pid}.jsonl`)
  begin(file, { seed, count, gossip, clients })
  return {
    trials: campaign(seed, count, faults, hostNames(clients)),
    head: [`seed ${seed}; npm run test:faults -- --resume ${file} goes on where this is interrupted`],
    note: (played: Played) => note(file, played),
  }
}

function resumed(file: string) {
  const { progress, played } = resume(file)
  const { seed, count, clients } = progress
  return {
    clients,
    gossip: gossipOf(progress.gossip),
    trials: campaign(seed, count, faults, hostNames(clients)),
    before: played,
    head: [`seed ${seed}; ${played.length} of ${count} were played before`],
    note: (played: Played) => note(file, played),
  }
}

/** The hosts' names, as the cluster numbers them. */
function hostNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `a${i + 1}`)
}

function gossipOf(text: string): Gossip {
  if (text === 'default' || text === 'tuned') return text
  throw new Error(`--gossip is default or tuned, not ${JSON.stringify(text)}`)
}

function whole(option: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new Error(`${option} needs a whole number, not ${JSON.stringify(text)}`)
}
