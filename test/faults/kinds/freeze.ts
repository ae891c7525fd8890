/** Four of six hosts are cut off at once: with the rule that freezes the service, and without it. */
import { setTimeout as pause } from 'node:timers/promises'
import { everywhere, statusOf } from '../../cluster/stage.ts'
import type { Agent } from '../../lab/cluster.ts'
import { until } from '../../lab/until.ts'
import type { Fault, Heal, Scene } from '../fault.ts'
import type { Lab } from '../lab.ts'
import { kinds } from '../workers.ts'

const hosts = 6
const lostAtOnce = 4
const freeze = { lost: '60%', settle: '5s' }
/** Failure detection, W, the guard's interval, and a margin, ms. */
const takenOverWithin = 30_000

/** Those that are cut off: the host that the fault hits, and the next ones. */
function split({ lab, agent }: Scene): { cut: readonly Agent[]; left: readonly Agent[] } {
  const at = lab.clients.indexOf(agent)
  const turned = [...lab.clients.slice(at), ...lab.clients.slice(0, at)]
  return { cut: turned.slice(0, lostAtOnce), left: turned.slice(lostAtOnce) }
}

async function unplug({ lab }: Scene, cut: readonly Agent[]): Promise<Heal> {
  await Promise.all(cut.map(agent => lab.lan.unplug(lab.host(agent))))
  return async () => {
    await Promise.all(cut.map(agent => lab.lan.plug(lab.host(agent))))
  }
}

/** Every instance says the rule, or none does. */
async function rule(lab: Lab, more: Record<string, unknown>): Promise<void> {
  await Promise.all(lab.clients.map(agent => lab.redefine(agent, lab.define(undefined, undefined, more))))
  await until(
    'every member to say so',
    async () => (await members(lab)).every(({ freeze }) => !freeze === !more.freeze),
    {
      deadline: 60_000,
      every: 200,
    },
  )
}

async function members(lab: Lab): Promise<{ freeze?: unknown }[]> {
  const [server] = lab.servers as [Agent]
  const raw = await server.api<{ Value: string }[]>('GET', '/v1/kv/watchbill/work/member/?recurse')
  return raw.map(({ Value }) => JSON.parse(Buffer.from(Value, 'base64').toString()) as { freeze?: unknown })
}

async function firstLine({ servers: [server] }: Lab): Promise<string> {
  return (await statusOf(server as Agent, 'work')).summary
}

export const freezeFaults: readonly Fault[] = [
  {
    name: 'most-hosts-cut', // nothing freezes: the two that are left run everything
    hits: 'client',
    clients: hosts,
    lasts: 1000,
    gap: 'takeover',
    inject: async scene => {
      const { lab } = scene
      const { cut, left } = split(scene)
      const heal = await unplug(scene, cut)
      await until('the others to run everything', () => everywhere(lab, left).size === kinds.length, {
        deadline: takenOverWithin,
        every: 100,
      })
      return heal
    },
  },
  {
    name: 'most-hosts-cut-frozen', // the two that are left take nothing, until enough of the four are back
    hits: 'client',
    clients: hosts,
    lasts: 1000,
    gap: 'any',
    prepare: ({ lab }) => rule(lab, { freeze }),
    inject: async scene => {
      const { lab } = scene
      const { cut, left } = split(scene)
      const before = everywhere(lab, left)
      const heal = await unplug(scene, cut)
      await until(
        'the freeze',
        async see => /FROZEN since .* 4 of 6 instances were lost/.test(see(await firstLine(lab))),
        {
          deadline: takenOverWithin,
          every: 100,
        },
      )
      await pause(lab.limit + lab.lease) // longer than any takeover
      const taken = [...everywhere(lab, left)].filter(([id, process]) => before.get(id) !== process)
      if (taken.length > 0) throw new Error(`the others run ${taken.join(', ')} now`)
      return async () => {
        await heal()
        await until('the thaw', async see => !/FROZEN/.test(see(await firstLine(lab))), {
          deadline: 90_000,
          every: 200,
        })
        await rule(lab, {})
      }
    },
  },
]
