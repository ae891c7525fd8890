import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidates, type Knows } from '../../lib/operate/complete/complete.ts'
import { scriptFor, shells } from '../../lib/operate/complete/scripts.ts'
import { described } from '../../lib/program/help.ts'
import { runProgram } from '../handlers/support/programs.ts'
import { serviceIn } from '../page/page.ts'

const hold = described(
  {
    name: 'hold',
    about: '',
    args: {
      service: { type: 'positional', description: 'the service', required: true },
      partition: { type: 'positional', description: 'the partition', required: false },
      rest: { type: 'positional', description: 'more', required: false },
      instance: { type: 'string', description: 'whose' },
      json: { type: 'boolean', description: 'print JSON' },
      file: { type: 'string', alias: 'f', description: 'a file' },
    },
  },
  {},
)

const knows: Knows = {
  programs: () =>
    new Map([
      ['hold', 'Holds.'],
      ['help', 'Helps.'],
      ['owner', 'Owns.'],
    ]),
  describe: async program => (program === 'hold' ? hold : null),
  services: async () => ['consumer', 'web'],
  instances: async service => [`n1:${service}`, `n2:${service}`],
  partitions: async () => ['7', '8', '70', '--json', '-1'],
}

const cases: [words: string, expected: readonly string[]][] = [
  ['', ['hold', 'help', 'owner']],
  ['ho', ['hold']],
  ['help ', ['hold', 'help', 'owner']],
  ['help o', ['owner']],
  ['hold ', ['consumer', 'web']],
  ['hold co', ['consumer']],
  ['hold consumer ', ['7', '8', '70']],
  ['hold consumer 7', ['7', '70']],
  ['hold consumer 7 8', ['8']],
  ['hold consumer --', ['--instance', '--json', '--file']],
  ['hold consumer --json --', ['--instance', '--file']],
  ['hold consumer -f x --', ['--instance', '--json']],
  ['hold consumer --instance ', ['n1:consumer', 'n2:consumer']],
  ['hold consumer --instance n2', ['n2:consumer']],
  ['hold consumer --instance n1:consumer ', ['7', '8', '70']],
  ['hold consumer --file ', []],
  ['hold -- ', []],
  ['nonesuch ', []],
]

for (const [line, expected] of cases)
  test(`behind "watchbill ${line}" there may be ${expected.join(', ') || 'nothing that we know'}`, async () => {
    const found = await candidates(line.split(' '), knows)
    assert.deepEqual(
      found.map(([value]) => value),
      expected,
    )
  })

test('the program asks what there is, and prints nothing where it cannot', async t => {
  const { consul } = await serviceIn(t)
  const ask = (address: string, ...words: string[]) =>
    runProgram('complete', { args: ['--', ...words], env: { CONSUL_HTTP_ADDR: address } })
  const there = await ask(consul.address.origin, 'owner', 'svc', '')
  assert.deepEqual([there.code, there.stdout, there.stderr], [0, '0\tpartition\n1\tpartition\n', ''])
  assert.match((await ask('127.0.0.1:1', 'own')).stdout, /^owner\tSays which instance/)
  const away = await ask('127.0.0.1:1', 'owner', '')
  assert.deepEqual([away.code, away.stdout, away.stderr], [0, '', ''])
})

test('there is a script for each shell, and a word for others', async () => {
  for (const shell of shells) assert.match(scriptFor(shell).toString(), /watchbill complete|complete -- /)
  assert.throws(() => scriptFor('csh'), /there are scripts for bash, zsh, fish/)
})
