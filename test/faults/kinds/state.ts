/** Faults of the state directory. */
import { execa } from 'execa'
import { instanceFiles } from '../../../lib/state/paths.ts'
import { processes } from '../../cluster/stage.ts'
import { program } from '../../lab/install.ts'
import { until } from '../../lab/until.ts'
import type { Fault, Scene } from '../fault.ts'
import { insist } from '../insist.ts'
import { reboot } from './agent.ts'

/**
 * Makes the path of the state directory another name of the same directory. Only what runs when this begins has to be stopped: a
 * roll-out, or a fault beside this one, may start others meanwhile.
 */
async function respell({ lab, agent }: Scene, state: string): Promise<void> {
  const { name } = lab.definition
  await lab.redefine(agent, lab.definition, state)
  const runs = [...processes(agent, lab.definition).keys()]
  if (runs.length === 0) return
  const ask = (what: string) => program(what, [name, ...runs, '--http-addr', agent.http], agent)
  try {
    await insist('a hold', () => ask('hold'))
    const left = () => runs.filter(id => processes(agent, lab.definition).has(id))
    await until('them to be stopped', see => see(left()).length === 0, { deadline: 20_000 })
  } finally {
    await insist('an unhold', () => ask('unhold'))
  }
  const idle = () => runs.filter(id => lab.idle().includes(`${name}/${id}`))
  await until('them to run', see => see(idle()).length === 0, { deadline: 30_000 })
}

export const stateFaults: readonly Fault[] = [
  {
    name: 'state-full', // leases are renewed in place
    hits: 'client',
    lasts: 40_000,
    gap: 'none',
    inject: async ({ agent }) => {
      const filler = `${agent.state}/filler`
      await execa('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { reject: false })
      return async () => void (await execa('rm', [filler]))
    },
  },
  {
    name: 'state-no-inodes',
    hits: 'client',
    lasts: 40_000,
    gap: 'none',
    inject: async ({ agent }) => {
      const filler = `${agent.state}/filler`
      await execa('sh', ['-c', 'mkdir "$1"; i=0; while : >"$1/$i"; do i=$((i + 1)); done', 'sh', filler], {
        reject: false,
      })
      return async () => void (await execa('rm', ['-r', filler]))
    },
  },
  {
    name: 'state-read-only', // partitions move to other hosts once, and may come back
    hits: 'client',
    lasts: 40_000,
    gap: 'takeover',
    starts: 2,
    inject: async ({ agent, host }) => {
      const { state } = agent
      // Files open for writing prevent a plain remount. A read-only mount on top affects every file that is opened
      // from now on.
      await host.run(`mount --bind ${state} ${state} && mount -o remount,bind,ro ${state}`)
      return () => host.run(`umount --lazy ${state}`)
    },
  },
  {
    name: 'state-removed',
    hits: 'client',
    lasts: 20_000,
    gap: 'takeover',
    inject: async ({ agent }) => {
      await execa('find', [agent.state, '-mindepth', '1', '-delete'], { reject: false })
      return async () => {}
    },
  },
  {
    name: 'state-copied', // replaced by a copy of another host's
    hits: 'client',
    lasts: 20_000,
    gap: 'takeover',
    inject: async ({ lab, agent, random }) => {
      const other = random.pick(lab.clients.filter(client => client !== agent))
      const own = instanceFiles(agent.state, lab.instance(agent)).directory
      const theirs = instanceFiles(other.state, lab.instance(other)).directory
      await execa('sh', ['-c', 'rm -rf "$1"; cp -a "$2" "$1"', 'sh', own, theirs], { reject: false })
      return async () => {}
    },
  },
  {
    name: 'state-respelled', // processes are started under one path of the directory and stopped under another
    hits: 'client',
    lasts: 3000,
    gap: 'local',
    inject: async scene => {
      const { lab, agent } = scene
      const link = `${agent.folder}/state-link`
      await execa('ln', ['-sfn', agent.state, link])
      await respell(scene, link)
      await respell(scene, agent.state)
      return () => lab.redefine(agent)
    },
  },
  {
    name: 'rebooted', // with the state directory of the previous boot
    hits: 'client',
    lasts: 20_000,
    gap: 'takeover',
    inject: async scene => {
      await reboot(scene)
      return async () => {}
    },
  },
]
