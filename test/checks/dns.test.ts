import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { execa } from 'execa'
import { bootClock } from '../../lib/base/clock.ts'
import { enter, neverTwice, processes, settled, stage, statusOf } from '../cluster/stage.ts'
import { runs } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { haveProgram, howToGet } from '../lab/debian.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const skip = (await haveProgram('dig', 'dnsutils', console.error)) ? false : howToGet('dig', 'dnsutils')

/** `<port> <node>` of each answer, through the agent's own DNS. */
async function ask(agent: Agent, name: string): Promise<string[]> {
  const options = ['+short', '+time=1', '+tries=1', '@127.0.0.1', '-p', String(agent.dnsPort)]
  const { stdout } = await execa('dig', [...options, name, 'SRV'])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map(line => {
      const [, , port, target = ''] = line.split(' ')
      return `${port} ${target.split('.')[0]}`
    })
}

describe('the owner of a partition', { skip }, () => {
  it('is found through DNS, before a move and after it, and nobody in between', async t => {
    const cluster = await clusterFor(t, { clients: 1, dns: true })
    const [s1, a1] = cluster.agents as [Agent, Agent]
    const work = stage(cluster, 'work', 'beating', {
      partitions: { list: ['one', 'Two', 'two'] },
      register: { port: 9000 },
    })
    await enter(work, [s1, a1])
    await settled(work, [s1, a1])
    const status = await until('both to be in the catalog', async () => {
      const now = await statusOf(s1, 'work')
      return now.partitions.every(({ dns }) => dns !== null) && now
    })
    const nameOf = (id: string) => status.partitions.find(({ partition }) => partition === id)?.dns ?? ''
    assert.equal(nameOf('one'), 'one.work-partition.service.consul')
    assert.match(nameOf('Two'), /^x-[0-9a-f]{16}\.work-partition\.service\.consul$/)
    const ownerOf = (id: string) => (processes(s1, work.definition).has(id) ? s1 : a1)
    for (const id of ['one', 'Two', 'two']) {
      await until(
        `DNS to know who has ${id}`,
        async see => see(await ask(s1, nameOf(id))).join() === `9000 ${ownerOf(id).name}`,
      )
    }

    const [old, next] = ownerOf('one') === s1 ? [s1, a1] : [a1, s1]
    const answers: { at: number; who: string }[] = []
    const asked = (async () => {
      const end = bootClock() + 20_000
      while (bootClock() < end && answers.at(-1)?.who !== `9000 ${next.name}`) {
        answers.push({ at: bootClock(), who: (await ask(s1, nameOf('one'))).join() })
      }
    })()
    await program('drain', ['work', `${old.name}:work`, 'on', '--http-addr', s1.http])
    await asked
    // Where each answer takes its time, none may fall between the two.
    const seen = answers.map(({ who }) => who).filter((who, at, all) => who !== '' && who !== all[at - 1])
    assert.deepEqual(seen, [`9000 ${old.name}`, `9000 ${next.name}`])

    // Consul's catalog does not tell Two from two.
    await program('partitions', ['work', 'remove', 'Two', '--http-addr', s1.http])
    await until('DNS to forget Two', async () => (await ask(s1, nameOf('Two'))).length === 0)
    await settled(work, [next])
    assert.equal((await ask(s1, nameOf('two'))).join(), `9000 ${ownerOf('two').name}`)

    const [before, after] = runs(await work.beats()).filter(({ partition }) => partition === 'one')
    const gone = answers.find(({ who }) => who !== `9000 ${old.name}`)?.at as number
    assert.ok(gone <= (before?.to as number) + 100, 'the catalog still sent people to a process that was gone')
    const followed = (answers.at(-1)?.at as number) - (after?.from as number)
    t.diagnostic(`DNS followed ${followed} ms after the first beat of the new process`)
    assert.ok(followed <= 2000, `DNS followed after ${followed} ms`)
    await neverTwice(work)
  })
})
