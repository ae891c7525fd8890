/** Files before a start and after a stop, on real agents: what the processes themselves find. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { statusOf } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { type DefinitionFile, install, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const cluster = sharedCluster({ clients: ['a', 'b'] })

/** Says at its start what its file holds, and at its stop again. */
const worker = `file=$1/$WATCHBILL_NODE.$WATCHBILL_PARTITION; log=$1/log
say() { echo "$1 $WATCHBILL_NODE $WATCHBILL_PARTITION $(cat "$file" 2>/dev/null || echo missing)" >> "$log"; }
say start
trap 'say stop; exit 0' TERM
while :; do sleep 0.1; done`

describe('a file', () => {
  it('is there before the start, and until after the stop', async () => {
    const folder = join(cluster().root, 'files')
    mkdirSync(folder)
    const template = join(folder, 'template.liquid')
    writeFileSync(template, '{% if partition.here %}here{% else %}away{% endif %}')
    const definition = (agent: Agent, more = {}): DefinitionFile => {
      const file = { template, each: 'partition', ...more }
      return {
        name: 'ordered',
        partitions: { range: [0, 3] },
        run: { command: ['/bin/sh', '-c', worker, 'sh', folder] },
        render: [
          {
            ...file,
            dest: `${folder}/${agent.name}.{partition}`,
            order: 'afterStop',
            clean: `${folder}/${agent.name}.*`,
            command: ['sleep', '0.3'],
          },
          {
            ...file,
            dest: `${folder}/first-${agent.name}.{partition}`,
            order: 'beforeStart',
            command: ['sleep', '0.5'],
          },
        ],
      }
    }
    const [a, b] = [cluster().agent('a'), cluster().agent('b')]
    const at = ['--http-addr', a.http.replace('http://', '')]
    const well = (agent: Agent) =>
      until(
        'all to be well',
        async see => {
          const { ok, summary } = await statusOf(agent, 'ordered')
          see(summary)
          return ok
        },
        { deadline: 60_000 },
      )
    await install(a, definition(a))
    await well(a)
    await install(b, definition(b))
    await until('b to have some', async () =>
      (await statusOf(a, 'ordered')).instances.some(({ instance, held }) => instance === 'b:ordered' && held === 2),
    )
    await well(a)
    await program('drain', ['ordered', 'a:ordered', 'on', ...at])
    await until('b to have all', async () =>
      (await statusOf(a, 'ordered')).instances.some(({ instance, held }) => instance === 'b:ordered' && held === 4),
    )
    await well(a)
    const said = readFileSync(join(folder, 'log'), 'utf8').trim().split('\n')
    const of = (what: string) => said.filter(line => line.startsWith(what))
    assert.equal(of('stop').length, 4, said.join('; '))
    for (const line of of('stop')) assert.match(line, / here$/, said.join('; '))
    for (const [node, id] of of('start').map(line => line.split(' ').slice(1, 3)))
      assert.ok(existsSync(`${folder}/first-${node}.${id}`), `${id} started on ${node} before its file`)
    await until('the files of what is gone to say so', () =>
      [0, 1, 2, 3].every(id => readFileSync(`${folder}/a.${id}`, 'utf8') === 'away'),
    )
  })

  it('that cannot be rendered delays a start by some seconds, and no more', async () => {
    const folder = join(cluster().root, 'refused')
    mkdirSync(folder)
    const template = join(folder, 'template.liquid')
    writeFileSync(template, 'x')
    const a = cluster().agent('a')
    const begun = performance.now()
    await install(a, {
      name: 'refused',
      partitions: { range: [0, 1] },
      run: { command: ['/bin/sh', '-c', 'date +%s.%N >> "$1/started"; exec sleep 1000', 'sh', folder] },
      render: [{ template, dest: `${folder}/never`, check: ['false', '{file}'], order: 'beforeStart' }],
    })
    await until('the wait to be told', async () => {
      const { partitions } = await statusOf(a, 'refused')
      return partitions.some(({ why }) => why.includes('waits until its file is rendered'))
    })
    const waits = performance.now()
    await until(
      'both to run all the same',
      () => {
        const file = join(folder, 'started')
        return existsSync(file) && readFileSync(file, 'utf8').trim().split('\n').length === 2
      },
      { deadline: 30_000, every: 20 },
    )
    assert.ok(performance.now() - waits < 15_000, `${performance.now() - begun} ms`)
    const { problems } = await statusOf(a, 'refused')
    assert.match(
      problems.join(),
      /a:refused: cannot render \S+\/never: the check false \S+ refuses it: exit 1; what is there stays/,
    )
    assert.deepEqual(readdirSync(folder).sort(), ['started', 'template.liquid'])
    rmSync(template)
  })
})
