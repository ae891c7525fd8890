/** What a lock around a command costs: `watchbill lock` from a release against `consul lock`, around `true`. */
import { makeRelease } from '../../lib/setup/release/release.ts'
import { startCluster } from '../lab/cluster.ts'
import { consulBinary } from '../lab/consul.ts'
import { home } from '../lab/install.ts'
import { atMost, type Bench, paired, ratio, told } from './bench.ts'

const rounds = 41

const bench: Bench = async progress => {
  const { programs } = await makeRelease({ home, node: 'include', dryRun: false })
  const consul = await consulBinary(progress)
  const cluster = await startCluster({ clients: 0 })
  try {
    const env = { CONSUL_HTTP_ADDR: cluster.agent('s1').http }
    progress(`${rounds} rounds`)
    const [theirs, ours] = await paired(rounds, [
      { name: 'consul lock', argv: [consul, 'lock', '-shell=false', 'bench/lock', 'true'], env },
      { name: 'watchbill lock', argv: [`${programs}/watchbill`, 'lock', 'bench', '--', 'true'], env },
    ])
    if (!theirs || !ours) throw new Error('nothing was measured')
    return [
      told('consul lock around true, wall', theirs.wallMedian, 'ms'),
      told('watchbill lock around true, wall', ours.wallMedian, 'ms'),
      atMost(2, 'watchbill lock, wall', ratio(ours.walls, theirs.walls), '×'),
      told('watchbill lock, CPU', ratio(ours.cpus, theirs.cpus), '×'),
    ]
  } finally {
    await cluster.close()
  }
}

export default bench
