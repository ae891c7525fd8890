/** What happens to the state directory. */
import { execa } from 'execa'
import { instanceFiles } from '../../../lib/state/instance.ts'
import type { Fault } from '../fault.ts'

const takenOver = { takenOverWithin: 40_000 }

export const stateFaults: readonly Fault[] = [
  {
    name: 'state-full', // leases are renewed in place
    hits: 'client',
    lasts: 20_000,
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
    lasts: 20_000,
    gap: 'none',
    inject: async ({ agent, host }) => {
      const { state } = agent
      const limit = (inodes: string) => host.run(`mount -o remount,nr_inodes=${inodes} ${state}`)
      await limit(`$(df --output=iused ${state} | tail -n 1)`)
      return () => limit('100k')
    },
  },
  {
    name: 'state-read-only',
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async ({ agent, host }) => {
      const { state } = agent
      // What is open for writing forbids the plain remount; a second mount above it is enough for all that is opened now.
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
    name: 'state-copied', // another host's in the place of its own
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
    name: 'rebooted', // with the state directory that the boot before left
    hits: 'client',
    lasts: 20_000,
    gap: 'takeover',
    inject: async ({ agent, host }) => {
      await host.group.freeze() // so that nobody sees another die
      for (const pid of host.group.pids) process.kill(pid, 'SIGKILL')
      await host.group.thaw()
      await agent.stop('SIGKILL')
      await host.newBoot()
      await agent.start()
      return async () => {}
    },
  },
]
