import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseDefinition } from '../../lib/definition/load.ts'
import { smallest } from './samples.ts'

const load = (over: object) => parseDefinition(JSON.stringify({ ...smallest, ...over }), 'consumer.json')
const pattern = '^\\d+\\.\\d+$'

describe('the versions of a definition', () => {
  it('are none where it says nothing', async () => assert.ok(!('versions' in (await load({})))))

  it('have defaults', async () => {
    assert.deepEqual((await load({ versions: { pattern } })).versions, { pattern, keep: 2, timeoutMs: 600_000 })
  })

  it('may be prepared and cleaned', async () => {
    const versions = { pattern, first: '1.0', prepare: ['./get', '{version}'], clean: ['./rm', '{version}'], keep: 0 }
    const found = (await load({ versions: { ...versions, timeout: '30s' } })).versions
    assert.deepEqual(found, { ...versions, timeoutMs: 30_000 })
  })

  const refused: readonly (readonly [over: object, why: RegExp])[] = [
    [{ versions: {} }, /^versions\.pattern: is missing; give a regular expression/],
    [{ versions: { pattern: '\\d+' } }, /^versions\.pattern: has to begin with \^ and to end with \$/],
    [{ versions: { pattern: '^(a)\\1$' } }, /^versions\.pattern: has \\1, which is not known here/],
    [{ versions: { pattern, first: '1' } }, /^versions\.first: does not fit the pattern/],
    [{ versions: { pattern: '^.*$', first: '../x' } }, /^versions\.first: .*begin with a letter or a digit/],
    [{ versions: { pattern, clean: ['./rm'] } }, /^versions\.clean: goes with prepare/],
    [{ versions: { pattern, prepare: ['./get', '{partition}'] } }, /^versions\.prepare\[1\]: names \{partition\}/],
    [
      { versions: { pattern, prepare: ['sh', '-c', 'get {version}'] } },
      /^versions\.prepare\[2\]: has \{version\} in the code/,
    ],
    [{ versions: { pattern, keep: -1 } }, /^versions\.keep: /],
    [{ versions: { pattern, timeout: '2h' } }, /^versions\.timeout: .*"1s" to "1h"/],
    [
      { run: { command: ['./consume-{version}'] } },
      /^run\.command\[0\]: has \{version\}, and the definition has no "versions"/,
    ],
    [{ run: { command: ['./x'], env: { V: '{version}' } } }, /^run\.env\.V: has \{version\}/],
    [{ stop: { command: ['./x', '{version}'] } }, /^stop\.command\[1\]: has \{version\}/],
    [{ checks: [{ name: 'a', command: ['./x', '{version}'] }] }, /^checks\[0\]\.command\[1\]: has \{version\}/],
    [{ hooks: { failed: ['./x', '{version}'] } }, /^hooks\.failed\[1\]: has \{version\}/],
    [
      { partitions: { list: ['a'] }, run: { command: { choose: '/x', of: { a: ['./a', '{version}'] } } } },
      /^run\.command\.of\.a\[1\]: has \{version\}/,
    ],
  ]
  for (const [over, why] of refused)
    it(`are refused: ${JSON.stringify(over)}`, async () => {
      await assert.rejects(load(over), (error: Error) => {
        const [, said = ''] = error.message.split('consumer.json: ')
        assert.match(said, why)
        assert.ok(!said.includes('\n'))
        return true
      })
    })

  it('let {version} stand in every command', async () => {
    const run = { command: ['./consume-{version}'], env: { V: '{version}' } }
    const found = await load({ versions: { pattern }, run, hooks: { failed: ['./x', '{version}'] } })
    assert.deepEqual(found.run.command, ['./consume-{version}'])
  })
})
