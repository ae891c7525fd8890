import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { orderFrom } from '../../lib/lock/order.ts'

const defaults = { slots: '1', lease: '10s', grace: '3s' }

describe('what lock is asked', () => {
  it('has defaults', () => {
    assert.deepEqual(orderFrom({ ...defaults, name: 'x' }, ['true', '-a', '--', 'b']), {
      name: 'x',
      command: ['true', '-a', '--', 'b'],
      terms: { lease: 10_000, grace: 3000 },
      slots: 1,
      wait: null,
      timeout: null,
    })
  })

  const names: [string | undefined, string[], string, string[]][] = [
    ['x', ['--', 'true'], 'x', ['--', 'true']],
    [undefined, ['-x', '--', 'true', '--'], '-x', ['true', '--']],
    [undefined, ['x', 'true'], 'x', ['true']],
    ['', ['true'], '', ['true']],
  ]
  for (const [given, rest, name, command] of names) {
    it(`${JSON.stringify(given)} and then ${rest.join(' ')} is ${command.join(' ')} under ${JSON.stringify(name)}`, () => {
      const order = orderFrom({ ...defaults, name: given }, rest)
      assert.deepEqual([order.name, order.command], [name, command])
    })
  }

  it('may be not to wait, or for how long', () => {
    assert.equal(orderFrom({ ...defaults, name: 'x', wait: false }, ['true']).wait, 0)
    assert.equal(orderFrom({ ...defaults, name: 'x', wait: '1.5m' }, ['true']).wait, 90_000)
  })

  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ lease: '5.4s' }, /--lease 5\.4s is less than 5\.5 s; raise it/],
    [{ lease: '250s', grace: '60s' }, /--lease \+ --grace \+ 1 s is more than 300 s/],
    [{ lease: 'soon' }, /--lease soon is no duration/],
    [{ lease: false }, /--lease false is no duration/],
    [{ grace: '3' }, /--grace 3 is no duration/],
    [{ wait: '-1s' }, /--wait -1s is no duration/],
    [{ timeout: '' }, /--timeout {2}is no duration/],
    [{ slots: '0' }, /--slots 0 is no number from 1 to 60/],
    [{ slots: '61' }, /--slots 61 /],
    [{ slots: '1.5' }, /--slots 1\.5 /],
    [{ name: undefined }, /there is no command/],
  ]
  for (const [args, message] of wrong) {
    it(`is refused: ${JSON.stringify(args)}`, () => {
      assert.throws(() => orderFrom({ ...defaults, name: 'x', ...args }, ['true']), { name: 'Permanent', message })
    })
  }

  it('is refused without a name, and without a command', () => {
    assert.throws(() => orderFrom(defaults, []), /there is no name/)
    assert.throws(() => orderFrom({ ...defaults, name: 'x' }, []), /there is no command/)
  })
})
