import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Entry } from '../../lib/consul/kv.ts'
import { coolDownFrom, coolDowns } from '../../lib/keys/cool-down.ts'

const value = {
  instance: 'a:svc',
  until: '2030-01-01T00:00:00.000Z',
  why: 'full disk',
  moves: ['2029-12-31T23:50:00.000Z'],
}
const end = Date.parse(value.until)
const entry = (key: string, text: string | null) => ({ key, value: text }) as Entry

describe('a cool-down', () => {
  it('is what its key says', () => {
    const { instance, why } = value
    assert.deepEqual(coolDownFrom(JSON.stringify(value)), {
      instance,
      until: end,
      why,
      moves: [Date.parse('2029-12-31T23:50:00Z')],
    })
  })

  for (const garbage of [null, '', 'garbage', '[]', 'null', '{}', '{"instance":1,"until":"x"}', '{"instance":"a:svc"}'])
    it(`is none when its key holds ${garbage}`, () => assert.equal(coolDownFrom(garbage), null))

  it('puts no line break into anybody’s terminal', () => {
    assert.equal(coolDownFrom(JSON.stringify({ ...value, why: 'a\n\u001b[2J' }))?.why, 'a  [2J')
  })

  it('counts until it is over, for ids that could be partitions', () => {
    const entries = [
      entry('p/0', JSON.stringify(value)),
      entry('p/%zz', JSON.stringify(value)),
      entry('p/1', 'garbage'),
    ]
    assert.deepEqual([...coolDowns(entries, 'p/', end - 1).keys()], ['0'])
    assert.deepEqual([...coolDowns(entries, 'p/', end).keys()], [])
  })
})
