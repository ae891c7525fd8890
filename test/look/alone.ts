/** An instance alone on a Consul in memory, whose whole runs can be made by hand. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { enterState } from '../../lib/state/boot.ts'
import { extendLease } from '../../lib/state/lease.ts'
import type { Run } from '../../lib/state/self.ts'
import { me } from '../fixtures/cluster.ts'
import type { FakeConsul } from '../fixtures/consul.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'

/** @param partitions as the definition file says them */
export function alone(t: TestContext, { consul, memory }: FakeConsul, partitions: object): Run {
  const services = new Map([['svc', { name: 'svc', status: 'passing' as const }]])
  memory.nodes.set('a', { serfHealth: 'passing', services })
  const files = stateOf(t)
  enterState(files, me, 'svc')
  extendLease(files, bootClock(), bootClock())
  const definitionFile = join(directory(t), 'svc.json')
  writeFileSync(definitionFile, JSON.stringify({ name: 'svc', partitions, run: { command: ['true'] } }))
  return { ...contextOf(consul, files), definitionFile }
}
