import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ArgsDef } from 'citty'
import fc from 'fast-check'
import { instanceArgs } from '../../lib/program/instance-args.ts'
import { plainArguments } from '../../lib/program/plain-arguments.ts'
import { readArguments } from '../../lib/program/words.ts'

const guard: ArgsDef = {
  help: { type: 'boolean', alias: 'h', description: '' },
  debug: { type: 'boolean', description: '' },
  ...instanceArgs,
  interval: { type: 'string', description: '', default: '2s' },
}
const lock: ArgsDef = {
  debug: { type: 'boolean', description: '' },
  lock: { type: 'positional', description: '', required: false },
  'no-wait': { type: 'boolean', description: '' },
  wait: { type: 'string', description: '' },
  'conflict-exit-code': { type: 'string', alias: 'E', description: '', default: '1' },
  'pass-stdin': { type: 'boolean', description: '' },
}
const owner: ArgsDef = {
  service: { type: 'positional', description: '', required: true },
  partition: { type: 'positional', description: '', default: '0' },
  json: { type: 'boolean', alias: ['j'], description: '' },
}

const whole = ['--instance', 'a:svc', '--service', 'svc', '--definition', '/etc/x.json']

describe('arguments that are written plainly', () => {
  for (const [known, words] of [
    [guard, [...whole, '--http-addr', 'http://127.0.0.1:8500', '--interval', '5s']],
    [guard, [...whole, '--debug']],
    [lock, ['a name', '--conflict-exit-code', '7', '--pass-stdin']],
    [lock, ['--wait', '5s', 'name']],
    [lock, []],
    [owner, ['svc']],
    [owner, ['--json', 'svc', '3']],
  ] as const) {
    it(`are read without citty, and as it does: ${words.join(' ')}`, () => {
      assert.deepEqual({ ...plainArguments(words, known) }, { ...readArguments([...words], known) })
    })
  }

  for (const [known, words] of [
    [guard, []],
    [guard, [...whole, '--state']],
    [guard, [...whole, '--state', '']],
    [guard, [...whole, '--state=/x']],
    [guard, [...whole, '--state', '-x']],
    [guard, [...whole, '--interval', '1s', '--interval', '2s']],
    [guard, [...whole, '--httpAddr', 'x']],
    [guard, [...whole, 'spare']],
    [guard, [...whole, '--toString', 'x']],
    [guard, [...whole, '--']],
    [lock, ['--no-wait', 'name']],
    [lock, ['-E', '7']],
    [owner, []],
    [owner, ['', '3']],
  ] as const) {
    it(`are others: ${JSON.stringify(words)}`, () => assert.equal(plainArguments(words, known), null))
  }

  it('never differ from what citty reads', () => {
    const names = (known: ArgsDef) => Object.keys(known).map(name => `--${name}`)
    const word = (known: ArgsDef) =>
      fc.oneof(fc.constantFrom(...names(known), '--', '-h', '-E', '--no-debug', '--x', ''), fc.string({ maxLength: 3 }))
    const property = (known: ArgsDef) =>
      fc.property(fc.array(word(known), { maxLength: 6 }), more => {
        const words = [...(known === guard ? whole : []), ...more]
        const plain = plainArguments(words, known)
        if (plain !== null) assert.deepEqual({ ...plain }, { ...readArguments(words, known) })
      })
    for (const known of [guard, lock, owner]) fc.assert(property(known), { numRuns: 500 })
  })
})
