import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { attend } from '../lib/attend/attend.ts'
import { bootClock, bootId } from '../lib/base/clock.ts'
import type { CheckDefinition } from '../lib/definition/checks.ts'
import { processOf } from '../lib/machine/identity.ts'
import { writeFact } from '../lib/state/facts.ts'
import { definition } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'
import { contextOf, directory, partitionIn, stateOf } from './fixtures/state.ts'
import { until } from './lab/until.ts'

it('a drain that cannot be ended, with Consul away, holds up no check', async t => {
  const fake = await fakeConsul(t, 2000)
  fake.script = () => ({ status: 500, text: 'No cluster leader' })
  const files = stateOf(t)
  const ran = join(directory(t), 'ran')
  const check: CheckDefinition = {
    id: 'well',
    name: 'well',
    notes: '',
    tags: [],
    command: ['/usr/bin/touch', ran],
    ttlMs: null,
    intervalMs: 1000,
    timeoutMs: 5000,
    failuresBeforeCritical: 1,
    forMs: 0,
    coolDownMs: 1000,
    movesPerHour: 4,
    onFailure: [],
    onWarning: [],
    onPass: [],
  }
  const accepted = { file: '', definition: { ...definition, checks: [check] }, digest: '', stamp: '' }
  writeFact(files.definition, JSON.stringify(accepted))
  const partition = partitionIn(files, '0')
  for (const fact of [partition.acquisition, partition.index, partition.token]) writeFact(fact, '1')
  // We are its shepherd, as far as anybody can see.
  const { pid, start } = processOf(process.pid) ?? assert.fail()
  writeFact(partition.shepherd, `${pid} ${start}`)
  writeFact(files.drained, `${bootId()} 0 a full disk`)
  writeFact(files.checksDue, String(bootClock()))

  const run = { ...contextOf(fake.consul, files), service: 'svc', definitionFile: '' }
  await attend(run, 2000)
  assert.match(run.logged.join('\n'), /^end of the drain: .*No cluster leader/m)
  await until('the check to have run', () => existsSync(ran))
  assert.ok(existsSync(files.drained), 'the drain is forgotten')
})
