/** Faults of a host's network. */
import type { Fault, Heal, Scene } from '../fault.ts'
import { rpcPort } from '../hosts.ts'

/** Failure detection, W, the guard's interval, and a margin. */
const takenOver = { takenOverWithin: 30_000 }
/** Gossip goes on, so only the session's TTL of 30 s ends it; Consul may be twice as late. */
const takenOverByTtl = { takenOverWithin: 90_000 }

const table = 'watchbill-fault'

/** A rule for what the host receives, and one for what it sends; heals by dropping both. */
async function filter({ host }: Scene, input: string, output: string): Promise<Heal> {
  const rules = [
    `table inet ${table} {`,
    `chain in { type filter hook input priority 0; iif lo accept; ${input}; }`,
    `chain out { type filter hook output priority 0; oif lo accept; ${output}; }`,
    '}',
  ]
  await host.run(`nft '${rules.join('\n')}'`)
  return () => host.run(`nft delete table inet ${table}`)
}

const cut = async ({ lab, host }: Scene): Promise<Heal> => {
  await lab.lan.unplug(host)
  return () => lab.lan.plug(host)
}

export const networkFaults: readonly Fault[] = [
  { name: 'host-cut', hits: 'client', lasts: takenOver, gap: 'takeover', inject: cut },
  {
    name: 'link-down',
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async ({ host }) => {
      await host.run('ip link set eth0 down')
      return () => host.run('ip link set eth0 up')
    },
  },
  {
    name: 'deaf', // the host can send, but not receive
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    needs: 'nft',
    inject: scene => filter(scene, 'drop', 'accept'),
  },
  {
    name: 'mute', // the host can receive, but not send
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    needs: 'nft',
    inject: scene => filter(scene, 'accept', 'drop'),
  },
  {
    name: 'rpc-blocked',
    hits: 'client',
    lasts: takenOverByTtl,
    gap: 'takeover',
    needs: 'nft',
    inject: scene => filter(scene, `tcp sport ${rpcPort} drop`, `tcp dport ${rpcPort} drop`),
  },
  {
    name: 'packet-loss', // 30 % of all packets in each direction
    hits: 'client',
    lasts: 30_000,
    gap: 'takeover',
    needs: 'nft',
    inject: scene => filter(scene, 'numgen random mod 100 < 30 drop', 'numgen random mod 100 < 30 drop'),
  },
  { name: 'server-cut', hits: 'follower', lasts: 20_000, gap: 'takeover', inject: cut },
  { name: 'leader-cut', hits: 'leader', lasts: 20_000, gap: 'takeover', inject: cut },
]
