/** What a render must survive: commands that misbehave, files that are in the way, and its own files named as a target. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, it, test } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { runCommand } from '../../lib/render/run-command.ts'
import { definition } from '../fixtures/cluster.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'
import { stage } from './stage.ts'

const one = { template: 'DIR/t.liquid', dest: 'DIR/out/a.conf' }
const sh = (script: string, ...args: string[]) => ['/bin/sh', '-c', script, 'sh', ...args]
const text = (file: string) => readFileSync(file, 'utf8')

describe('a check or command', () => {
  it('that leaves a child behind which holds its output is not waited for', async t => {
    const leaves = sh('sleep 60 & echo $! >> "$1/children"', 'DIR')
    const { render, dir, told } = await stage(t, { files: [{ ...one, check: [...leaves, '{file}'], command: leaves }] })
    const begun = bootClock()
    try {
      await render()
      assert.ok(bootClock() - begun < 30_000, `it took ${bootClock() - begun} ms`)
      assert.deepEqual([text(`${dir}/out/a.conf`).length > 0, told()], [true, []])
    } finally {
      for (const pid of text(`${dir}/children`).trim().split('\n')) process.kill(Number(pid))
    }
  })

  it('may say as much as it likes, and its last words are told', async t => {
    const many = 'i=0; while [ $i -lt 400 ]; do printf "%08192d\\n" $i; i=$((i+1)); done;'
    const files = [{ ...one, check: sh(`${many} exit 0`, '{file}'), command: sh(`${many} echo the end >&2; exit 3`) }]
    const { render, told } = await stage(t, { files })
    await render()
    assert.match(told()[0] ?? '', /failed after files had changed: exit 3: .*the end; it is run again until it works$/)
  })

  it('that hangs is ended in time, with what it has started', async t => {
    const here = { ...contextOf(null as never, stateOf(t)), definition }
    const child = `${directory(t)}/child`
    assert.equal(
      await runCommand(sh('sleep 61 & echo $! >"$1"; sleep 62', child), 500, here, ''),
      'no end within 0.5 s',
    )
    await until('its child to be gone', () => !existsSync(`/proc/${text(child).trim()}`))
  })
})

test('backups beyond their number go when it shrinks, and only those', async t => {
  const { render, dir, define, template } = await stage(t, { files: [{ ...one, backups: 3 }] })
  for (const round of [1, 2, 3, 4, 5]) {
    template(`${round}`)
    await render()
  }
  writeFileSync(`${dir}/out/.a.conf.watchbill-mine`, '')
  const backups = () =>
    readdirSync(`${dir}/out`)
      .filter(name => /watchbill-./.test(name))
      .sort()
  assert.deepEqual(backups(), [...['1', '2', '3'].map(n => `.a.conf.watchbill-${n}`), '.a.conf.watchbill-mine'])
  define([{ ...one, backups: 1 }])
  template('6')
  await render()
  assert.deepEqual(backups(), ['.a.conf.watchbill-1', '.a.conf.watchbill-mine'])
  assert.equal(text(`${dir}/out/.a.conf.watchbill-1`), '5')
  define([one])
  template('7')
  await render()
  assert.deepEqual(backups(), ['.a.conf.watchbill-mine'])
})
