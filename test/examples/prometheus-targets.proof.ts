/** examples/prometheus-targets on real agents: what Prometheus would read, at every moment of a drain and of a kill. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { settled, stage, statusOf } from '../cluster/stage.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { install, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const here = join(import.meta.dirname, '../../examples/prometheus-targets')
const cluster = sharedCluster({ clients: ['a', 'b', 'prometheus'] })

interface Group {
  readonly targets: readonly string[]
  readonly labels: { readonly partition: string; readonly node: string }
}

describe('the targets of Prometheus', () => {
  it('are those in force: valid at every moment, never two of a partition, and told when they cannot be written', async () => {
    const own = stage(cluster(), 'shards', 'quiet', { partitions: { byHand: true } })
    const agents = ['a', 'b'].map(name => cluster().agent(name))
    for (const agent of agents) await install(agent, own.definition)
    const watcher = cluster().agent('prometheus')
    const at = ['--http-addr', watcher.http.replace('http://', '')]
    const folder = join(cluster().root, 'file_sd')
    mkdirSync(folder)
    const document = join(folder, 'document.json')
    const ids = ['0', '1', '2', '3', 'we"ird']
    for (const [number, id] of ids.entries()) {
      const text = JSON.stringify({ port: 9100 + number })
      await import('node:fs').then(({ writeFileSync }) => writeFileSync(document, text))
      await program('partitions', ['shards', 'add', id, '--document', document, ...at])
    }
    await settled(own, agents)
    const template = join(folder, 'targets.json.liquid')
    copyFileSync(join(here, 'targets.json.liquid'), template)
    const { render, ...observer } = JSON.parse(readFileSync(join(here, 'definition.json'), 'utf8'))
    const dest = join(folder, 'shards.json')
    const { owner: _owner, check: _check, ...file } = render[0]
    await install(watcher, { ...observer, render: [{ ...file, template, dest }] })

    const read = (): Group[] => {
      const groups = JSON.parse(readFileSync(dest, 'utf8')) as Group[]
      const partitions = groups.map(({ labels }) => labels.partition)
      assert.equal(new Set(partitions).size, partitions.length, 'a partition has two targets')
      return groups
    }
    const shows = (what: string, is: (groups: readonly Group[]) => boolean) =>
      until(
        what,
        see => {
          const groups = read()
          see(groups)
          return is(groups)
        },
        { deadline: 30_000, every: 20 },
      )
    const nodes = (groups: readonly Group[]) => [...new Set(groups.map(({ labels }) => labels.node))].sort()
    await until('the first file', () => {
      try {
        return read().length === ids.length
      } catch {
        return false
      }
    })
    assert.deepEqual(nodes(read()), ['a', 'b'])
    assert.deepEqual(read().find(({ labels }) => labels.partition === 'we"ird')?.targets, ['127.0.0.1:9104'])

    await program('drain', ['shards', 'a:shards', 'on', ...at])
    await shows('all targets on b', groups => groups.length === ids.length && nodes(groups).join() === 'b')
    await program('drain', ['shards', 'a:shards', 'off', ...at])
    await shows('targets on both', groups => groups.length === ids.length && nodes(groups).join() === 'a,b')
    await program('hold', ['shards', '0', ...at])
    await shows('no target for what is held', groups => groups.length === ids.length - 1)
    await program('unhold', ['shards', '0', ...at])
    await shows('it again', groups => groups.length === ids.length)

    // The observer is no instance, and what fails there is told by every agent.
    const { instances, ok } = await statusOf(agents[0] as (typeof agents)[0], 'shards')
    assert.deepEqual([instances.map(({ instance }) => instance), ok], [['a:shards', 'b:shards'], true])
    const { appendFileSync } = await import('node:fs')
    appendFileSync(template, '{% nonsense %}')
    const { problems } = await until('the problem in status', async () => {
      const status = await statusOf(agents[1] as (typeof agents)[0], 'shards')
      return status.problems.length > 0 && status
    })
    assert.match(
      problems.join(),
      /^prometheus:shards: cannot render \S+\/shards\.json: targets\.json\.liquid: tag "nonsense" not found, /,
    )
    assert.equal(read().length, ids.length, 'the last good file stays')
    copyFileSync(join(here, 'targets.json.liquid'), template)
    await until('no problem any more', async () => (await statusOf(agents[1] as (typeof agents)[0], 'shards')).ok)
  })
})
