/**
 * What happens to the work when its host or its wrapper is lost: under `consul lock` and under watchbill, by the same
 * fault at the same moment. In the lab of test/faults: hosts in network namespaces, 3 servers, 3 clients; needs root.
 */
import { type Gossip, Lab } from '../faults/lab.ts'
import { missing } from '../faults/needs.ts'
import { atMost, type Bench, exactly, median, type Row, told } from './bench.ts'
import { contest, type Figures, type Hit, hits } from './failover/contest.ts'

const times = 5
/** Of the failover under `consul lock`, at most. */
const bars = { default: 1.02, tuned: 0.8 } as const

const bench: Bench = async progress => {
  const lack = await missing(progress)
  if (lack !== null) throw new Error(`the fault lab cannot run here: ${lack}`)
  const rows: Row[] = []
  for (const gossip of ['default', 'tuned'] as const) rows.push(...(await onGossip(gossip, progress)))
  return rows
}

export default bench

async function onGossip(gossip: Gossip, progress: (line: string) => void): Promise<Row[]> {
  const lab = await Lab.start({ clients: 3, gossip, say: progress })
  try {
    const rows: Row[] = []
    for (const hit of hits) rows.push(...(await row(lab, gossip, hit, progress)))
    return rows
  } finally {
    await lab.close()
  }
}

async function row(lab: Lab, gossip: Gossip, hit: Hit, progress: (line: string) => void): Promise<Row[]> {
  const rival: Figures[] = []
  const ours: Figures[] = []
  for (let round = 0; round < times; round++) {
    const agent = lab.clients[round % lab.clients.length] as Lab['clients'][0]
    const name = `${gossip}-${hits.indexOf(hit)}-${round}`
    const figures = await contest(lab, hit, name, agent)
    rival.push(figures.rival)
    ours.push(figures.ours)
    const words = ({ both, failover, old }: Figures) => `both ${both} s, failover ${failover} s, old one until ${old} s`
    progress(`${gossip}, ${hit.name}, ${round + 1} of ${times}: consul lock ${words(figures.rival)}`)
    progress(`${' '.repeat(gossip.length)}  watchbill ${words(figures.ours)}`)
  }
  const middle = (figures: readonly Figures[], which: keyof Figures) => median(figures.map(one => one[which]))
  const worst = (figures: readonly Figures[], which: keyof Figures) => Math.max(...figures.map(one => one[which]))
  const of = (what: string) => `${gossip}, ${hit.name}: ${what}`
  return [
    told(of('both run, consul lock, median'), middle(rival, 'both'), 's'),
    exactly(0, of('both run, watchbill, worst'), worst(ours, 'both'), 's'),
    told(of('old worker until, consul lock'), middle(rival, 'old'), 's'),
    told(of('old worker until, watchbill'), middle(ours, 'old'), 's'),
    told(of('failover, consul lock, median'), middle(rival, 'failover'), 's'),
    told(of('failover, watchbill, median'), middle(ours, 'failover'), 's'),
    atMost(
      bars[gossip],
      of('failover, watchbill to consul lock'),
      middle(ours, 'failover') / middle(rival, 'failover'),
    ),
  ]
}
