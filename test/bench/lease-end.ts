/** When processes are gone after their lease is over: with a clock for their instance, and with a timer for each shepherd. */
import type { TestContext } from 'node:test'
import { Instance } from '../process/clocked.ts'
import { atMost, type Bench, median, told } from './bench.ts'

const trials = 30

const bench: Bench = async progress => {
  const clocks: number[] = []
  const timers: number[] = []
  for (let trial = 1; trial <= trials; trial++) {
    progress(`lease ${trial} of ${trials}`)
    const [clock, timer] = await Promise.all([last(true), last(false)]) // side by side: what slows one slows both
    clocks.push(clock)
    timers.push(timer)
  }
  return [
    told('after the end of the lease, with a clock, median', median(clocks), 'ms'),
    told('with a clock, latest', Math.max(...clocks), 'ms'),
    told('with a timer each, median', median(timers), 'ms'),
    told('with a timer each, latest', Math.max(...timers), 'ms'),
    atMost(40, 'how much later with a clock, median', median(clocks) - median(timers), 'ms'),
    atMost(40, 'how much later with a clock, latest', Math.max(...clocks) - Math.max(...timers), 'ms'),
  ]
}

export default bench

/** When the last of three processes is gone, counted from the end of their lease, ms. */
async function last(hasClock: boolean): Promise<number> {
  const cleanUp: (() => unknown)[] = []
  const context = { after: (work: () => unknown) => cleanUp.push(work) } as unknown as TestContext
  try {
    const instance = new Instance(context)
    await instance.start()
    if (hasClock) await instance.clocked()
    return Math.max(...(await instance.lateness(await instance.cutOff())))
  } finally {
    for (const work of cleanUp.reverse()) await work()
  }
}
