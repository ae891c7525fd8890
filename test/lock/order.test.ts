import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { orderFrom } from '../../lib/lock/order.ts'

const defaults = { slots: '1', lease: '10s', grace: '3s' }

describe('what lock is asked', () => {
  it('has defaults', () => {
    assert.deepEqual(orderFrom({ ...defaults, lock: 'x' }, ['true', '-a', '--', 'b']), {
      name: 'x',
      command: ['true', '-a', '--', 'b'],
      terms: { lease: 10_000, grace: 3000 },
      slots: 1,
      wait: null,
      timeout: null,
      label: null,
      passStdin: false,
      conflict: 1,
    })
  })

  it('may be a line for the shell that the caller has, else /bin/sh', () => {
    const command = (env: Record<string, string>) =>
      orderFrom({ ...defaults, lock: 'x', shell: true }, ['a | b'], env).command
    assert.deepEqual(command({ SHELL: '/bin/zsh' }), ['/bin/zsh', '-c', 'a | b'])
    assert.deepEqual(command({}), ['/bin/sh', '-c', 'a | b'])
    assert.deepEqual(command({ SHELL: '' }), ['/bin/sh', '-c', 'a | b'])
  })

  it('is refused as a line for the shell that is several words', () => {
    const several = () => orderFrom({ ...defaults, lock: 'x', shell: true }, ['a', '|', 'b'], {})
    assert.throws(several, /--shell takes the command as one word; put it in quotes/)
  })

  it('may have a name for people, stdin, and a status of its own for a lock that is not to be had', () => {
    const args = { ...defaults, lock: 'x', name: 'nightly #12', passStdin: true, conflictExitCode: '75' }
    const { label, passStdin, conflict } = orderFrom(args, ['true'])
    assert.deepEqual([label, passStdin, conflict], ['nightly #12', true, 75])
    assert.equal(orderFrom({ ...args, conflictExitCode: '0' }, ['true']).conflict, 0)
  })

  const names: [string | undefined, string[], string, string[]][] = [
    ['x', ['--', 'true'], 'x', ['--', 'true']],
    [undefined, ['-x', '--', 'true', '--'], '-x', ['true', '--']],
    [undefined, ['x', 'true'], 'x', ['true']],
    ['', ['true'], '', ['true']],
  ]
  for (const [given, rest, name, command] of names) {
    it(`${JSON.stringify(given)} and then ${rest.join(' ')} is ${command.join(' ')} under ${JSON.stringify(name)}`, () => {
      const order = orderFrom({ ...defaults, lock: given }, rest)
      assert.deepEqual([order.name, order.command], [name, command])
    })
  }

  it('may be not to wait, or for how long', () => {
    assert.equal(orderFrom({ ...defaults, lock: 'x', wait: false }, ['true']).wait, 0)
    assert.equal(orderFrom({ ...defaults, lock: 'x', wait: '1.5m' }, ['true']).wait, 90_000)
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
    [{ lock: undefined }, /there is no command/],
    [{ conflictExitCode: '256' }, /--conflict-exit-code 256 is no number from 0 to 255/],
    [{ conflictExitCode: '-1' }, /--conflict-exit-code -1 is no/],
    [{ conflictExitCode: 'busy' }, /--conflict-exit-code busy is no/],
    [{ name: 'two\nlines' }, /--name holds control characters/],
    [{ name: 'n'.repeat(201) }, /--name has 201 characters/],
  ]
  for (const [args, message] of wrong) {
    it(`is refused: ${JSON.stringify(args)}`, () => {
      assert.throws(() => orderFrom({ ...defaults, lock: 'x', ...args }, ['true']), { name: 'Permanent', message })
    })
  }

  it('is refused without a name, and without a command', () => {
    assert.throws(() => orderFrom(defaults, []), /there is no name/)
    assert.throws(() => orderFrom({ ...defaults, lock: 'x' }, []), /there is no command/)
  })
})
