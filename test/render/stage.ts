/** A service in the model of Consul, with an instance beside it that renders: an observer, unless said. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { cleanValue, heldValue } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { problemsFrom } from '../../lib/keys/renders.ts'
import { render } from '../../lib/render/render.ts'
import { root } from '../configure/run.ts'
import { definition, heldBy } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'

export const keys = keysOf('svc')
const encoded = (text: string) => Buffer.from(text).toString('base64')

export interface Staged {
  /** The fields of `render`; paths may begin with `DIR`. */
  readonly files: readonly Record<string, unknown>[]
  /** The text of the template `DIR/t.liquid`. */
  readonly template?: string
  readonly variables?: Record<string, unknown>
  /** Other fields of the definition. */
  readonly more?: Record<string, unknown>
}

/** One line for each partition that can be reached. */
export const lines = '{% for p in partitions %}{{ p.id }}={{ p.address }}\n{% endfor %}'

export async function stage(t: TestContext, { files, template = lines, variables, more }: Staged) {
  process.argv[1] = `${root}/handlers/rerender.ts` // the program `template` lies beside it
  const fake = await fakeConsul(t)
  const { memory } = fake
  const dir = directory(t)
  mkdirSync(`${dir}/out`)
  const file = join(dir, 'svc.json')
  const define = (files: readonly Record<string, unknown>[]) =>
    writeFileSync(
      file,
      JSON.stringify({ name: 'svc', role: 'observer', variables, ...more, render: files }).replaceAll('DIR', dir),
    )
  define(files)
  writeFileSync(`${dir}/t.liquid`, template)
  fake.script = ({ path }) =>
    path.startsWith('/v1/catalog/service/svc')
      ? {
          text: ['a', 'b'].map((Node, at) => ({
            ...{ Node, Address: `10.0.0.${at + 1}`, ServiceID: 'svc', ServiceName: 'svc', ServiceAddress: '' },
            ServicePort: 0,
          })),
        }
      : undefined
  for (const node of ['a', 'b']) {
    memory.session(`session of ${node}`, node, `watchbill ${node}:svc`)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    memory.lock(keys.member(`${node}:svc`), `session of ${node}`, memberValue(node, definition, 'digest'))
  }
  memory.put(keys.revision, '{}')
  const free = (id: string) => {
    memory.remove(keys.lock(id)) // a plain PUT keeps its session
    memory.put(keys.lock(id), cleanValue('2026-01-01'))
  }
  const hold = (id: string, node: string) => {
    free(id)
    memory.lock(keys.lock(id), `session of ${node}`, heldValue(heldBy(`${node}:svc`)))
  }
  const add = (id: string, node: string | null, document?: unknown) => {
    memory.put(keys.partition(id), JSON.stringify({ from: 'definition', document }))
    if (document !== undefined) memory.put(keys.documents, '{}')
    memory.put(keys.lock(id), cleanValue('2026-01-01'))
    if (node !== null) hold(id, node)
  }
  add('0', 'a')
  add('1', 'b')
  const run = { ...contextOf(fake.consul, stateOf(t, 'c:svc')), instance: 'c:svc', node: 'c', definitionFile: file }
  const told = () => {
    const raw = memory.keys.get(keys.render('c:svc'))
    if (raw === undefined) return []
    const Value = raw.Value ?? encoded('')
    const entry = { key: keys.render('c:svc'), value: Buffer.from(Value, 'base64').toString() }
    return problemsFrom([entry as never], keys).get('c:svc') ?? []
  }
  return {
    ...{ fake, memory, dir, run, define, add, hold, free, told },
    render: (force = false) => render(run, force),
    template: (text: string) => writeFileSync(`${dir}/t.liquid`, text),
  }
}
