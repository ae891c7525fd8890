import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { parseProcess, processOf } from '../../lib/machine/identity.ts'
import type { Start } from '../../lib/process/shepherd/start.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { readLine, writeFact } from '../../lib/state/facts.ts'
import { writeLease } from '../../lib/state/lease.ts'
import type { PartitionFiles } from '../../lib/state/partition-paths.ts'
import type { InstanceFiles } from '../../lib/state/paths.ts'
import { definition } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { killMarked } from '../lab/marked.ts'
import { until } from '../lab/until.ts'

function place(test: TestContext): InstanceFiles {
  const files = stateOf(test)
  test.after(() => killMarked(files.directory))
  return files
}

/** A partition whose lock is held. */
function held(files: InstanceFiles, partition: string, token: string): Start {
  const own = partitionIn(files, partition)
  writeFact(own.acquisition, `acquisition of ${partition}`)
  writeLease(own, { from: 0, own: bootClock() })
  return {
    ...{ files: own, service: 'svc', instance: 'a:svc', node: 'a', partition, version: '', token },
    ...{ acquisition: `acquisition of ${partition}`, lease: 60_000, grace: 400 },
  }
}

function running(run: Partial<Definition['run']>): Definition {
  return { ...definition, run: { ...definition.run, restart: 'never', env: {}, cwd: null, ...run } }
}

function output({ output }: PartitionFiles): Promise<string> {
  return until('its output', () => /^(.*)\nend\n$/s.exec(readFileSync(output, 'utf8'))?.[1], { every: 20 })
}

describe('starting', () => {
  it('gives each of many its own arguments and its own environment, whatever they hold', async test => {
    const files = place(test)
    const ids = ['7', 'x y', '$(id)', '"; echo', "'", 'ü\\n', '*', ...Array.from({ length: 40 }, (_, n) => `n${n}`)]
    const starts = ids.map((id, n) => held(files, id, `1.${n}`))
    const script = 'printf "%s\\n" "$1" "$WATCHBILL_PARTITION" "$WATCHBILL_TOKEN" "$TOPIC" "$SAME" "$#"; echo end'
    await startShepherds(
      running({
        command: ['/bin/sh', '-c', script, 'sh', '{partition}', ''],
        env: { TOPIC: 'a\nb {partition}', SAME: '$x' },
      }),
      starts,
    )
    for (const [n, { files: own, partition, token }] of starts.entries()) {
      assert.equal(await output(own), `${partition}\n${partition}\n${token}\na\nb ${partition}\n$x\n2`, `number ${n}`)
    }
  })

  it('shows no value of the environment in an argument, and hands none of its own variables on', async test => {
    const files = place(test)
    const starts = ['1', '2'].map(id => held(files, id, id))
    await startShepherds(
      running({ command: ['/bin/sh', '-c', 'env; echo end; exec sleep 1000'], env: { SECRET: 'hush-{partition}' } }),
      starts,
    )
    for (const { files: own, partition } of starts) {
      const names = (await output(own)).split('\n').map(line => line.split('=')[0])
      assert.deepEqual(
        names.filter(name => name?.startsWith('_') && name !== '_'),
        [],
      )
      assert.match(await output(own), new RegExp(`^SECRET=hush-${partition}$`, 'm'))
      const { pid } = parseProcess(readLine(own.shepherd)) ?? assert.fail('no shepherd')
      assert.doesNotMatch(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /hush/)
    }
  })

  it('has written down who the shepherd is when it is done', async test => {
    const files = place(test)
    const start = held(files, '1', '1')
    await startShepherds(running({ command: ['sleep', '1000'] }), [start])
    const launched = parseProcess(readLine(start.files.launched)) ?? assert.fail('nobody was written down')
    assert.deepEqual(processOf(launched.pid), launched)
    const shepherd = await until('the shepherd', () => parseProcess(readLine(start.files.shepherd)))
    assert.deepEqual(shepherd, launched)
  })

  it('says so when it cannot enter the working directory', async test => {
    const files = place(test)
    const start = held(files, '1', '1')
    await startShepherds(running({ command: ['true'], cwd: '/nowhere' }), [start])
    await until(
      'the status',
      () => readLine(start.files.status) === 'cannot start: cannot enter the working directory /nowhere',
    )
  })
})
