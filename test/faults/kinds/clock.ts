/** Faults of the clock that a host reads. */
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { bootClock } from '../../../lib/base/clock.ts'
import { processes, statusOf } from '../../cluster/stage.ts'
import type { Fault, Scene } from '../fault.ts'
import { insist } from '../insist.ts'
import { reboot } from './agent.ts'
import { destroySession, handOut, takeLongTerms } from './consul.ts'

const hour = 3600
/** How long the guard takes to come, every 2 s, and to look, ms. */
const untilGuard = 3500

/** Partitions that this host has, by their locks, and does not run. A fault beside this one may leave others idle. */
async function strandedOn({ lab, agent }: Scene): Promise<string[]> {
  const idle = new Set(lab.idle())
  const { partitions } = await statusOf(await lab.cluster.leader(), lab.definition.name)
  const own = partitions.filter(({ instance }) => instance === lab.instance(agent))
  return own.map(({ partition }) => `${lab.definition.name}/${partition}`).filter(id => idle.has(id))
}

/** Those that nobody ran at any look for so long, ms: a hand-over or a roll-out may have stopped a partition only for a moment. */
const strandedAfter = 10_000

async function strandedThroughout(scene: Scene): Promise<string[]> {
  const begun = bootClock()
  let stranded = await insist('the holders', () => strandedOn(scene))
  while (stranded.length > 0 && bootClock() < begun + strandedAfter) {
    await pause(250)
    const now = await insist('the holders', () => strandedOn(scene))
    stranded = stranded.filter(id => now.includes(id))
  }
  return stranded
}

export const clockFaults: readonly Fault[] = [
  {
    name: 'suspended', // for an hour, in which others take everything over; its network comes back last
    hits: 'client',
    lasts: { takenOverWithin: 15_000 },
    gap: 'any',
    freezes: true,
    residual: untilGuard,
    // A shepherd's timer runs as long as the lease. The rest of a short lease would be over before others take over.
    prepare: takeLongTerms,
    inject: async scene => {
      const { lab, agent, host } = scene
      const held = [...processes(agent, lab.definition).keys()]
      await host.group.freeze()
      await lab.lan.unplug(host)
      await destroySession(scene)
      await handOut(scene, held)
      return async () => {
        await host.shiftClock(hour)
        await host.group.thaw()
        await pause(15_000)
        await lab.lan.plug(host)
        await reboot(scene) // with the others' clock
        await lab.redefine(agent)
      }
    },
  },
  {
    name: 'clock-anew', // a restarted container: same boot id and state directory, but a boot clock that starts at zero
    hits: 'client',
    lasts: 25_000,
    gap: 'any', // the final reboot would remove stranded partitions, so the fault looks for them before
    inject: async scene => {
      const { agent, host } = scene
      await agent.stop('SIGKILL')
      await host.group.kill()
      await host.shiftClock(10 - bootClock() / 1000)
      await agent.start()
      return async () => {
        const idle = await strandedThroughout(scene)
        await reboot(scene)
        if (idle.length > 0) throw new Error(`after 35 s nobody has ${idle.join()}`)
      }
    },
  },
  {
    name: 'lease-ahead', // the lease is ahead of the clock, for every process of the host
    hits: 'client',
    lasts: 10_000,
    gap: 'local',
    inject: async ({ lab, agent }) => {
      const ahead = bootClock() + hour * 1000
      for (const id of processes(agent, lab.definition).keys()) {
        writeFileSync(lab.files(agent).partition(id).lease, `${ahead} ${ahead}\n`)
      }
      return async () => {}
    },
  },
]
