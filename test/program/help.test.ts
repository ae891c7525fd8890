import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { didYouMean, near } from '../../lib/base/near.ts'
import { type Description, described, helpText, listing } from '../../lib/program/help.ts'

const names = ['status', 'restart', 'restored', 'hold', 'unhold', 'owner', 'pin', 'unpin', 'plan']

test('a typing mistake is known by what it differs from least', () => {
  for (const [word, meant] of [
    ['statsu', ['status']],
    ['stauts', ['status']],
    ['status', ['status']],
    ['sttus', ['status']],
    ['onwer', ['owner']],
    ['holdd', ['hold']],
    ['pln', ['plan', 'pin'].sort()],
    ['rest', ['restart', 'restored']],
    ['nonesuch', []],
    ['x', []],
    ['', []],
  ] as const)
    assert.deepEqual(near(word, names).sort(), [...meant], word)
  assert.equal(didYouMean('statsu', names), ' (did you mean status?)')
  assert.equal(didYouMean('jsno', ['json'], '--'), ' (did you mean --json?)')
  assert.equal(didYouMean('nonesuch', names), '')
})

const one: Description = described(
  {
    name: 'example',
    about: 'Does something that takes many words to say, so many that they do not fit into one line of a terminal.',
    args: {
      service: { type: 'positional', description: 'the Consul service name', required: true },
      partition: { type: 'positional', description: 'the partition', required: false },
      instance: { type: 'string', description: 'which instance', required: true },
      wait: { type: 'string', alias: 'w', description: `how long to wait, ${'and so on '.repeat(20)}`, default: '60s' },
      quiet: { type: 'boolean', description: 'say nothing' },
    },
    exits: '0 yes; 1 no',
  },
  {},
)

test('a program is described once, for help, man pages and completions', () => {
  assert.equal(one.usage, '[OPTIONS] <SERVICE> [PARTITION] --instance=<instance>')
  assert.deepEqual(
    one.options.map(({ names, value }) => [names, value]),
    [
      [['--instance'], 'instance'],
      [['-w', '--wait'], 'wait'],
      [['--quiet'], null],
    ],
  )
  assert.deepEqual(one.exits.slice(0, 2), ['0 yes', '1 no'])
  assert.match(one.options[1]?.about ?? '', /\(default 60s\)$/)
})

test('help fits any terminal, and loses nothing', () => {
  const wide = helpText(one, Number.POSITIVE_INFINITY, false)
  const words = (text: string) => text.split(/\s+/).sort()
  for (const width of [60, 80, 132]) {
    const text = helpText(one, width, false)
    for (const line of text.split('\n')) assert.ok(line.length <= width || line.startsWith('USAGE'), line)
    assert.deepEqual(words(text), words(wide))
  }
  assert.equal(stripVTControlCharacters(helpText(one, 80, true)), helpText(one, 80, false))
})

test('a name that is very long has its text below', () => {
  const long = `--${'x'.repeat(40)}`
  assert.deepEqual(
    listing(
      [
        [long, 'text'],
        ['-a', 'more'],
      ],
      80,
    ),
    [`  ${long}`, `${' '.repeat(38)}text`, `  ${'-a'.padEnd(34)}  more`],
  )
})
