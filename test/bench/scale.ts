/**
 * What one instance costs in a cluster of many: at rest, for a look, for what people run, and when something changes. One
 * server is filled with members and locks as keys. SIZE=10000x100 npm run bench -- scale: that size alone (and the
 * smallest, which the bars are about).
 */
import type { Bench } from './bench.ts'
import { measureOne } from './scale/one.ts'

const sizes = ['100x3', '1000x10', '10000x100', '100000x1000']

const bench: Bench = async progress => {
  for (const name of process.env.SIZE?.split(',') ?? sizes) {
    const [partitions = 0, instances = 0] = name.split('x').map(Number)
    const figures = await measureOne({ partitions, instances }, line => progress(`${name}: ${line}`))
    progress(JSON.stringify(figures, null, 1))
  }
  return []
}

export default bench
