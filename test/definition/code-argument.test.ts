import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placeholderInCode } from '../../lib/definition/code-argument.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { smallest } from './samples.ts'

const code = 'consume {partition}'

/** A command, and which of its arguments is code with a placeholder. */
const refused: [string[], number, string][] = [
  [['sh', '-c', code], 2, 'sh -c'],
  [['/bin/sh', '-c', `consume $${'{partition}'}`], 2, 'sh -c'],
  [['bash', '-euc', code], 2, 'bash -euc'],
  [['bash', '-e', '-o', 'pipefail', '-c', code], 5, 'bash -c'],
  [['bash', '-c', '-o', 'pipefail', code], 4, 'bash -c'],
  [['sh', '-c', '-e', '--', code], 4, 'sh -c'],
  [['dash', '-c', code], 2, 'dash -c'],
  [['ksh', '-c', code], 2, 'ksh -c'],
  [['zsh', '-c', code], 2, 'zsh -c'],
  [['env', 'sh', '-c', code], 3, 'sh -c'],
  [['/usr/bin/env', '-i', 'A=1', 'bash', '-c', code], 5, 'bash -c'],
  [['env', '-S', `sh -c "${code}"`], 2, 'env -S'],
  [['env', `-Ssh -c "${code}"`], 1, 'env -Ssh'],
  [['busybox', 'sh', '-c', code], 3, 'sh -c'],
  [['timeout', '5', 'nice', 'sh', '-c', code], 5, 'sh -c'],
  [['su', 'app', '-c', code], 3, 'su -c'],
  [['flock', '/run/x', '-c', code], 3, 'flock -c'],
  [['sh', '-c', 'exec "$@"', 'sh', 'bash', '-c', code], 6, 'bash -c'],
  [['python3', '-u', '-c', code], 3, 'python3 -c'],
  [['perl', '-ne', code], 2, 'perl -ne'],
  [['node', '--import', 'x.mjs', '-e', code], 4, 'node -e'],
  [['sh', '-c', 'echo {token}'], 2, 'sh -c'],
]

test('a placeholder in code is found, whatever stands in front of the shell', () => {
  for (const [args, index, by] of refused) {
    const found = placeholderInCode(args)
    assert.deepEqual([found?.index, found?.by], [index, by], args.join(' '))
  }
})

const taken: string[][] = [
  ['consume', '--partition', '{partition}'],
  ['sh', '-c', 'consume "$1"', 'sh', '{partition}'],
  ['sh', '-c', 'consume "$WATCHBILL_PARTITION" {1..3} {}'],
  ['sh', 'worker.sh', '-c', '{partition}'],
  ['python3', 'worker.py', '-c', '{partition}'],
  ['consume', '-c', '{partition}'],
  ['env', 'ID={partition}', 'consume'],
  ['sh', '--', '-c', '{partition}'],
  ['flock', '/run/{partition}', 'consume', '-c', '{partition}'],
]

test('a parameter of a script, and an option of another program, is no code', () => {
  for (const args of taken) assert.equal(placeholderInCode(args), null, args.join(' '))
})

const command = ['sh', '-c', code]
const check = { name: 'alive', command: ['x'], interval: '5s' }
const words = 'has {partition} in the code that sh -c executes; use the variable "$WATCHBILL_PARTITION" there'

/** Where a definition holds commands. */
const places: [object, string][] = [
  [{ run: { command } }, 'run.command[2]'],
  [{ stop: { command } }, 'stop.command[2]'],
  [{ checks: [{ ...check, command }] }, 'checks[0].command[2]'],
  [{ checks: [{ ...check, onFailure: command }] }, 'checks[0].onFailure[2]'],
  [{ checks: [{ ...check, onWarning: ['restart', command] }] }, 'checks[0].onWarning[1][2]'],
  [{ checks: [{ ...check, onPass: [command] }] }, 'checks[0].onPass[0][2]'],
  [{ hooks: { acquired: command } }, 'hooks.acquired[2]'],
  [{ partitions: { command } }, 'partitions.command[2]'],
]

for (const [given, place] of places) {
  test(`${place} with it is refused, and the line names the variable to use`, async () => {
    const text = JSON.stringify({ ...smallest, ...given })
    await assert.rejects(parseDefinition(text, 'x.json'), {
      message: `cannot use the definition x.json: ${place}: ${words}`,
    })
  })
}
