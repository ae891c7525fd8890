/** A service with a scheduler on a model of Consul: the instances a:svc and b:svc, and some partitions. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import type { Assign } from '../../lib/definition/assign.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { findPlan, type OwnPlan } from '../../lib/keys/own-plan.ts'
import { schedulerDutyFrom } from '../../lib/keys/scheduler.ts'
import { schedulerRoot } from '../../lib/keys/scheduler-memory.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { definition } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'

export const keys = keysOf('svc')

export const usual: Omit<Assign, 'from'> = {
  ...{
    everyMs: 30_000,
    timeoutMs: 5000,
    on: ['members', 'partitions', 'settings'],
    giveUpAfterMs: 300_000,
    actions: {},
  },
}

/** @param script of a shell; its input is on stdin */
export async function service(t: TestContext, script: string, over: Partial<Assign> = {}, ids = ['0', '1', '2', '3']) {
  const fake = await fakeConsul(t)
  const { memory } = fake
  const path = join(directory(t), 'assign')
  const write = (text: string) => {
    writeFileSync(path, `#!/bin/sh\n${text}\n`)
    chmodSync(path, 0o755)
  }
  write(script)
  const assign: Assign = { from: { kind: 'command', command: [path] }, ...usual, ...over }
  const versions = { pattern: '^\\d+\\.\\d+$', first: '1.0', keep: 1, timeoutMs: 1000 }
  const defined: Definition = {
    ...definition,
    partitions: ids,
    versions,
    assign,
    hooks: { schedulerFailed: ['./page'] },
  }
  memory.put(keys.revision, '{}')
  for (const id of ids) {
    memory.put(keys.partition(id), '{"from":"definition"}')
    memory.put(keys.lock(id), '{"clean":true}')
  }
  const instance = (node: string, given = defined) => {
    const name = `${node}:svc`
    const files = stateOf(t, name)
    memory.session(`session of ${node}`, node, `watchbill ${name}`)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    memory.lock(keys.member(name), `session of ${node}`, memberValue(node, given, 'digest'))
    writeFact(files.session, `session of ${node}`)
    const file = '/none'
    writeFact(files.definition, JSON.stringify({ file, definition: given, digest: 'digest', stamp: 'stamp' }))
    return { ...contextOf(fake.consul, files), instance: name, node, service: 'svc', definitionFile: file }
  }
  return { fake, write, path, defined, a: instance('a'), b: instance('b'), instance }
}

export function text(fake: FakeConsul, key: string): string | null {
  const raw = fake.memory.keys.get(key)
  return raw?.Value ? Buffer.from(raw.Value, 'base64').toString() : null
}

export const duty = (fake: FakeConsul) => schedulerDutyFrom(text(fake, keys.duty('scheduler')))
export const memoryOf = (fake: FakeConsul, name: string) =>
  JSON.parse(text(fake, `${schedulerRoot('svc')}${name}`) ?? 'null')

/** The plan in force; null when there is none. */
export async function planOf(fake: FakeConsul): Promise<OwnPlan | null> {
  const { entriesAt } = await import('../../lib/consul/kv.ts')
  const [entry] = await entriesAt(fake.consul, [keys.plan])
  return (await findPlan(fake.consul, keys, entry)).plan
}
