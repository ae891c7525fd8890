import assert from 'node:assert/strict'
import { test } from 'node:test'
import { described } from '../../lib/program/help.ts'
import { manOf, overview } from '../../lib/setup/man/man.ts'

const edition = { version: '1.2.3', date: '2026-01-31' }
const one = described(
  {
    name: 'example',
    about: 'Does this - and that\\s.',
    args: {
      service: { type: 'positional', description: '.hidden, or not', required: true },
      'dry-run': { type: 'boolean', alias: 'n', description: "'quoted' `text`" },
      wait: { type: 'string', description: 'how long', default: '60s' },
    },
    exits: '0; 1 no, it is not',
  },
  {},
)

test('a man page has what --help has', () => {
  const page = manOf(one, edition)
  assert.match(page, /^\.TH WATCHBILL\\-EXAMPLE 1 2026-01-31 "watchbill 1\.2\.3" "watchbill"$/m)
  assert.match(page, /^watchbill\\-example \\- Does this \\- and that\\es$/m)
  assert.match(page, /^\\fBwatchbill example\\fR \[OPTIONS\] <SERVICE>$/m)
  assert.match(page, /^\.TP\n\\fB\\-n\\fR, \\fB\\-\\-dry\\-run\\fR\n\\\(aqquoted\\\(aq \\\(gatext\\\(ga$/m)
  assert.match(page, /^\\fB\\-\\-wait\\fR=\\fIwait\\fR\nhow long \(default 60s\)$/m)
  assert.match(page, /^\\fB0\\fR\ndone$/m)
  assert.match(page, /^\\fB1\\fR\nno, it is not$/m)
  assert.match(page, /^\\fB111\\fR\ntemporary/m)
})

test('no text of ours is a request to roff', () => {
  const requests = new Set(['TH', 'SH', 'TP', 'PP'])
  const texts = [
    manOf(one, edition),
    overview([['watchbill status', '.who']], new Map([['a', '.b']]), [['X', '.y']], edition),
  ]
  for (const text of texts)
    for (const [, request = ''] of text.matchAll(/^[.'](\S*)/gm)) assert.ok(requests.has(request), request)
})
