import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { withCommands } from '../../lib/act/choose.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import type { Start } from '../../lib/process/shepherd/start.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { definition, me } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'

const of = { web: ['./web', '{partition}'], worker: ['./work'], constructor: ['./odd'] }

function chosen(t: TestContext, document: string | null, pointer = '/role') {
  const run: Definition['run'] = { ...definition.run, command: [], choose: { pointer, of } }
  const files = partitionIn(stateOf(t), '7')
  if (document !== null) writeFact(files.document, document)
  const start: Start = {
    ...{ files, service: 'svc', instance: me, node: 'a', partition: '7', acquisition: 'x', token: '1', version: '' },
    ...{ lease: 10_000, grace: 3000 },
  }
  const logged: string[] = []
  const once = () => withCommands({ ...definition, run }, [start], line => logged.push(line))
  const [able] = once()
  once()
  return { command: able?.command, status: readFact(files.status), logged }
}

describe('a command that the document chooses', () => {
  it('is the one that it names', t => {
    assert.deepEqual(chosen(t, '{"role":"web"}').command, of.web)
    assert.deepEqual(chosen(t, '{"a":[{"b":"worker"}]}', '/a/0/b').command, of.worker)
    assert.deepEqual(chosen(t, '"worker"', '').command, of.worker)
    assert.equal(chosen(t, '{"role":"web"}').status, null)
  })

  const place = '/role of the document of 7 (watchbill/svc/partition/7)'
  const rest = 'run.command.of has web, worker, constructor: correct the document, or the definition'
  for (const [what, document, why] of [
    ['an unknown name', '{"role":"db\\n"}', 'it is "db\\n"'],
    ['a name that every object has', '{"role":"toString"}', 'it is "toString"'],
    ['no name', '{"role":7}', 'it is a number, not a name'],
    ['none', '{"rolle":"web"}', 'there is no such field'],
    ['an empty name', '{"role":""}', 'it is ""'],
  ] as const) {
    it(`is none for ${what}: one line says so, once in the log`, t => {
      const { command, status, logged } = chosen(t, document)
      assert.equal(command, undefined)
      assert.equal(status, `no command: ${place}: ${why}; ${rest}`)
      assert.deepEqual(logged, [`cannot start 7: ${status}`])
    })
  }

  it('is none where there is no document', t => {
    assert.equal(chosen(t, null).status, `no command: ${place}: there is no document; ${rest}`)
  })
})
