/** A partition whose lock is held, started by real shepherds; its groups go with the test. */
import type { TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import type { Limits } from '../../lib/definition/limits.ts'
import { removeGroup, removeHome } from '../../lib/process/containment/groups.ts'
import type { Start } from '../../lib/process/shepherd/start.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { writeLease } from '../../lib/state/lease.ts'
import type { InstanceFiles } from '../../lib/state/paths.ts'
import { definition } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { killMarked } from '../lab/marked.ts'

export const isRoot = process.getuid?.() === 0

export function place(test: TestContext): InstanceFiles {
  let files: InstanceFiles | null = null
  // Before the directory is removed, where it stands which groups there are.
  test.after(async () => {
    if (files === null) return
    await killMarked(files.directory)
    for (const id of ['1', '2', '3']) removeGroup(files.partition(id))
    removeHome(files)
  })
  files = stateOf(test)
  return files
}

export function held(files: InstanceFiles, partition: string): Start {
  const own = partitionIn(files, partition)
  writeFact(own.acquisition, `acquisition of ${partition}`)
  writeLease(own, { from: 0, own: bootClock() })
  return {
    ...{ files: own, service: 'svc', instance: 'a:svc', node: 'a', partition, version: '', token: '1' },
    ...{ acquisition: `acquisition of ${partition}`, lease: 60_000, grace: 400 },
  }
}

export function running(command: readonly string[], limits?: Limits, run: Partial<Definition['run']> = {}): Definition {
  const base = { ...definition.run, command, restart: 'never', env: {}, cwd: null } as const
  return { ...definition, run: { ...base, ...run, ...(limits && { limits }) } }
}

export function withVariable(test: TestContext, name: string, value: string | undefined): void {
  const before = process.env[name]
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
  test.after(() => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  })
}
