/**
 * Powering a machine off in the fault lab, on hosts that are really cut off and really killed: beside the takeover wait and beside
 * `consul lock`, with commands that fail, hang, are killed and lie, and through false alarms.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { Rival } from '../bench/failover/rival.ts'
import { statusOf } from '../cluster/stage.ts'
import { version2 } from '../faults/group.ts'
import { reboot } from '../faults/kinds/agent.ts'
import { Lab } from '../faults/lab.ts'
import { missing } from '../faults/needs.ts'
import { mark } from '../faults/sweep.ts'
import { overlaps, runs } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { programAs } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const say = (line: string) => console.log(`# ${line}`)
const lack = await missing(say)
const folder = mkdtempSync(join(tmpdir(), 'watchbill-power-'))
const [settings, log, off, isOff] = ['power-off.json', 'log', 'off', 'is-off'].map(name => join(folder, name)) as [
  string,
  string,
  string,
  string,
]
const afterMs = 3000
/** Of handlers, looks and starts, ms. */
const margin = 2000

/** Kills everything on a host at once, as the loss of power does, and says when. */
writeFileSync(
  off,
  `#!/bin/sh
read -r now rest </proc/uptime; echo "$now off $1" >>${log}
group=${version2}/${mark}${process.pid}-$1
echo 1 >"$group/cgroup.kill" || exit
`,
  { mode: 0o755 },
)
/** Only when no process of the host is left. */
writeFileSync(
  isOff,
  `#!/bin/sh
group=${version2}/${mark}${process.pid}-$1
for try in 1 2 3 4 5 6 7 8 9 10; do
  [ "$(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null)" ] || break
  sleep 0.1
done
[ ! "$(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null)" ] || exit 1
read -r now rest </proc/uptime; echo "$now is-off $1" >>${log}
`,
  { mode: 0o755 },
)

function power(more: object = {}): void {
  const given = { command: [off, '{node}'], confirm: [isOff, '{node}'], after: `${afterMs}ms`, perHour: 100, ...more }
  writeFileSync(settings, JSON.stringify(given), { mode: 0o644 })
  writeFileSync(log, '')
}

/** What was logged: boot clock, ms, and the words. */
function logged(): { at: number; words: string }[] {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').filter(Boolean) : []
  return lines.map(line => ({ at: Number(line.split(' ')[0]) * 1000, words: line.replace(/^\S+ /, '') }))
}

describe('powering machines off', { skip: lack ?? false, concurrency: 1 }, () => {
  let lab: Lab
  before(async () => {
    power()
    lab = await Lab.start({ clients: 3, gossip: 'tuned', say, env: { WATCHBILL_POWER_OFF: settings } })
  })
  after(async () => {
    await lab?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  interface Cut {
    readonly at: number
    /** When Consul took the node for failed. */
    readonly detected: number
    /** When the last of its partitions beat elsewhere. */
    readonly over: number
  }

  /** Cuts a host off, and waits until everything runs elsewhere. */
  async function cut(agent: Agent): Promise<Cut> {
    await lab.settled()
    lab.forget()
    const own = lab.owned(agent)
    const at = bootClock()
    await lab.lan.unplug(lab.host(agent))
    const server = lab.servers[0] as Agent
    const detected = await until(
      'Consul to take it for failed',
      async () => {
        const checks = await server.api<{ CheckID: string; Status: string }[]>('GET', `/v1/health/node/${agent.name}`)
        return checks.some(one => one.CheckID === 'serfHealth' && one.Status === 'critical') && bootClock()
      },
      { every: 20, deadline: 30_000 },
    )
    const over = await until(
      'others to run everything',
      async see => {
        const beats = (await lab.beats()).filter(one => one.at > at && one.instance !== lab.instance(agent))
        const firsts = own.map(id => beats.find(({ partition }) => partition === id)?.at)
        return see(firsts).every(one => one !== undefined) && Math.max(...(firsts as number[]))
      },
      { every: 50, deadline: 60_000 },
    )
    return { at, detected, over }
  }

  const words = ({ at, detected, over }: Cut) =>
    `others ran everything ${over - at} ms after the cut; Consul took it for failed after ${detected - at} ms`

  async function back(agent: Agent): Promise<void> {
    await lab.lan.plug(lab.host(agent))
    if (agent.pid === null) await agent.start()
    await lab.settled()
  }

  const client = (name: string) => lab.cluster.agent(name)
  const twice = async () => overlaps(await lab.beats()).filter(({ partition }) => partition.startsWith('work/'))

  it('has others run within detection, after, the commands and 2 s, by one of two survivors; consul lock takes longer', async () => {
    const rival = await Rival.start(lab, 'power', client('a1'))
    const found = await cut(client('a1'))
    const [first, last] = logged() as [{ at: number; words: string }, { at: number; words: string }]
    assert.deepEqual(
      logged().map(({ words }) => words),
      ['off a1', 'is-off a1'],
      'one survivor, once',
    )
    say(`power off: ${words(found)}; the commands took ${last.at - first.at} ms`)
    const bound = found.detected + afterMs + (last.at - first.at) + margin
    assert.ok(found.over <= bound, `${found.over - bound} ms late`)
    assert.deepEqual(await twice(), [])
    const next = await until(
      'consul lock to run it elsewhere',
      async () => {
        const all = runs((await lab.beats()).filter(({ partition }) => partition === rival.partition))
        return all.find(({ instance, from }) => !instance.startsWith('a1:') && from > found.at)?.from
      },
      { deadline: 60_000 },
    )
    say(`consul lock ran it elsewhere ${next - found.at} ms after the cut`)
    assert.ok(next > found.over)
    await rival.end()
    const { remark } = await statusOf(lab.servers[0] as Agent, 'work')
    assert.match(String(remark), /a1 is off since/)
    await lab.lan.plug(lab.host(client('a1')))
    await reboot({ lab, agent: client('a1'), host: lab.host(client('a1')), random: null as never })
    await lab.settled()
    const status = await statusOf(lab.servers[0] as Agent, 'work')
    assert.deepEqual([status.ok, status.remark], [true, null], 'it has booted: nothing is said of it any more')
  })

  const bad: [what: string, more: object][] = [
    ['fails', { command: ['/bin/false'] }],
    ['hangs', { command: ['/bin/sleep', '60'], timeout: '2s' }],
    ['is killed', { command: ['/bin/sh', '-c', 'kill -9 $$'] }],
    ['is not confirmed', { command: ['/bin/true'], confirm: ['/bin/false'] }],
  ]
  for (const [what, more] of bad)
    it(`leaves everything to the takeover wait when the command ${what}`, async () => {
      power(more)
      const found = await cut(client('a2'))
      say(`a command that ${what}: ${words(found)}`)
      assert.ok(found.over - found.detected >= lab.lease + lab.grace + 1000, 'not before the takeover wait')
      assert.deepEqual(await twice(), [])
      await back(client('a2'))
    })

  it('through ten false alarms powers nobody off', async () => {
    power()
    const agent = client('a3')
    for (let alarm = 0; alarm < 10; alarm++) {
      await lab.lan.unplug(lab.host(agent))
      await until('an alarm', async () => (await failed(agent)) || null, { every: 20, deadline: 30_000 })
      await lab.lan.plug(lab.host(agent))
      await until('its end', async () => !(await failed(agent)), { every: 20, deadline: 30_000 })
    }
    await lab.settled()
    assert.deepEqual(logged(), [])
  })

  async function failed({ name }: Agent): Promise<boolean> {
    const server = lab.servers[0] as Agent
    const checks = await server.api<{ CheckID: string; Status: string }[]>('GET', `/v1/health/node/${name}`)
    return checks.some(one => one.CheckID === 'serfHealth' && one.Status === 'critical')
  }

  it('by a command that lies has two owners until the lease is over, and the machine is named unsafe', async () => {
    power({ command: ['/bin/true'], confirm: ['/bin/true'] })
    const found = await cut(client('a2'))
    say(`a command that lies: ${words(found)}`)
    await until('its lease to be over', () => bootClock() > found.at + lab.lease + lab.grace + 1000, {
      deadline: 30_000,
    })
    const both = (await twice()).map(({ from, to }) => to - from)
    say(`two owners for ${Math.max(0, ...both)} ms`)
    assert.ok(Math.max(0, ...both) < found.at + lab.lease + lab.grace + 1000 - found.detected - afterMs)
    await lab.lan.plug(lab.host(client('a2')))
    const server = lab.servers[0] as Agent
    await until(
      'it to be named',
      async see => /a2 is unsafe/.test(see((await statusOf(server, 'work')).problems.join())),
      {
        deadline: 30_000,
      },
    )
    await programAs(client('a1'), 'evict', ['--node', 'a2', '--acknowledge', '--http-addr', client('a1').http])
    await lab.settled()
  })
})
