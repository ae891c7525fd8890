/** What an instance that takes part renders: what it holds itself, and whom it lets start. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { render } from '../../lib/render/render.ts'
import { enterState } from '../../lib/state/boot.ts'
import { putOfferedInForce } from '../../lib/state/definition.ts'
import { readFact, removeFact, writeFact } from '../../lib/state/facts.ts'
import { root } from '../configure/run.ts'
import { heldBy } from '../fixtures/cluster.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'
import { stage } from './stage.ts'

const { acquisition } = heldBy('a:svc')

/** a:svc holds 0 and 1, and has started neither yet. */
async function member(t: TestContext, files: readonly Record<string, unknown>[], template: string) {
  const at = await stage(t, { files: [{ template: 'DIR/t.liquid', dest: 'DIR/none' }], template })
  process.argv[1] = `${root}/handlers/reconcile.ts` // so that none is started
  at.memory.remove(`watchbill/svc/member/b:svc`)
  at.hold('1', 'a')
  const state = stateOf(t, 'a:svc')
  enterState(state, 'a:svc', 'svc')
  writeFact(state.session, 'session of a')
  for (const id of ['0', '1']) writeFact(partitionIn(state, id).acquisition, acquisition)
  const file = `${at.dir}/member.json`
  const define = (more: object) =>
    writeFileSync(
      file,
      JSON.stringify({ name: 'svc', partitions: { list: ['0', '1'] }, run: { command: ['true'] }, ...more }).replaceAll(
        'DIR',
        at.dir,
      ),
    )
  define({ render: files })
  const run = { ...contextOf(at.fake.consul, state), instance: 'a:svc', node: 'a', definitionFile: file }
  const started = () => ['0', '1'].filter(id => readFact(state.partition(id).rendered) === acquisition)
  return { ...at, run, state, define, started, render: () => render(run) }
}

const each = { template: 'DIR/t.liquid', dest: 'DIR/out/{partition}', each: 'partition' }

test('a partition may start once its own file is there, whatever becomes of the others', async t => {
  const check = ['grep', '-q', 'good', '{file}']
  const template = '{% if partition.id == "1" and variables.bad %}bad{% else %}good{% endif %} {{ partition.here }}'
  const { render, started, define, dir } = await member(t, [], template)
  const files = [{ ...each, check, order: 'beforeStart' }]
  define({ render: files, variables: { bad: true } })
  await render()
  assert.deepEqual(started(), ['0'])
  assert.equal(readFileSync(`${dir}/out/0`, 'utf8'), 'good true')
  assert.ok(!existsSync(`${dir}/out/1`))
  define({ render: files, variables: { bad: false } })
  await render()
  assert.deepEqual(started(), ['0', '1'])
})

test('a partition may start when its file needs no change, and not before the command has worked', async t => {
  const command = ['test', '-e', 'DIR/works']
  const { render, started, state, dir } = await member(t, [{ ...each, command, order: 'beforeStart' }], 'x')
  await render()
  assert.deepEqual(started(), [])
  writeFileSync(`${dir}/works`, '')
  await render()
  assert.deepEqual(started(), ['0', '1'])
  removeFact(state.partition('0').rendered) // it was given up, and is taken again
  assert.equal(await render(), 'nothing to render: nothing has changed')
  assert.deepEqual(started(), ['0', '1'])
})

test('nobody is let start for an acquisition that the render did not see', async t => {
  const { render, started, state } = await member(t, [{ ...each, order: 'beforeStart' }], 'x')
  writeFact(state.partition('0').acquisition, 'a newer one')
  await render()
  assert.deepEqual(started(), ['1'])
  assert.equal(readFact(state.partition('0').rendered), null)
})

test('after the stop: the file shows what is being given up until its process is gone', async t => {
  const template = '{% if partition.here %}here{% else %}away{% endif %}'
  const files = [
    { ...each, order: 'afterStop' },
    { ...each, dest: 'DIR/out/usual-{partition}' },
  ]
  const { render, state, memory, dir } = await member(t, files, template)
  await render()
  memory.put('watchbill/svc/spec/settings', '{"drained":[],"held":["0"]}')
  await render()
  const texts = () => ['0', 'usual-0'].map(name => readFileSync(`${dir}/out/${name}`, 'utf8'))
  assert.deepEqual(texts(), ['here', 'away'])
  removeFact(state.partition('0').acquisition)
  await render()
  assert.deepEqual(texts(), ['away', 'away'])
})

test('an instance that takes part does not become an observer before it has left', async t => {
  const { run, state, define, dir } = await member(t, [each], 'x')
  await putOfferedInForce(state, run.definitionFile, 'svc')
  writeFileSync(
    run.definitionFile,
    JSON.stringify({ name: 'svc', role: 'observer', render: [{ template: `${dir}/t.liquid`, dest: `${dir}/x` }] }),
  )
  const { definition, problem } = await putOfferedInForce(state, run.definitionFile, 'svc')
  assert.equal(definition.role, undefined)
  assert.match(
    problem ?? '',
    /role: svc takes part here; say watchbill leave svc before it becomes an observer \(the last good/,
  )
  removeFact(state.session)
  assert.equal((await putOfferedInForce(state, run.definitionFile, 'svc')).definition.role, 'observer')
  define({})
})
