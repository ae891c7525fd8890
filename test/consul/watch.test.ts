import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { checksDigest, keyprefixDigest, serviceDigest } from '../../lib/consul/watch.ts'

// What Consul 1.8.7 wrote to the stdin of real watch handlers.
const sample = (name: string) => readFileSync(`${import.meta.dirname}/../fixtures/watch/${name}.json`, 'utf8')
const changed = (name: string, change: (entries: Record<string, unknown>[]) => unknown) =>
  JSON.stringify(change(JSON.parse(sample(name))))

describe('what a service watch brings', () => {
  it('is one line per instance', () => {
    assert.equal(serviceDigest(sample('service')), 'c2:svcA-1 false false')
    assert.equal(serviceDigest(sample('service-with-node-guard')), 'c1:web false false')
  })

  it('is empty without instances', () => assert.equal(serviceDigest(sample('service-none')), ''))

  it('differs when an instance passes', () => {
    const passing = sample('service').replace('svcA-1-up', 'svcA-1-guard').replace('"critical"', '"passing"')
    assert.equal(serviceDigest(passing), 'c2:svcA-1 true false')
  })

  it('is the same when only an output, an index or another check changed', () => {
    const other = changed('service', entries =>
      entries.map(entry => ({
        ...entry,
        Checks: [...(entry.Checks as unknown[]), { CheckID: 'x', Status: 'critical' }],
      })),
    )
    assert.equal(serviceDigest(other), serviceDigest(sample('service')))
    assert.equal(
      serviceDigest(sample('service').replace('Agent alive', 'Agent is alive')),
      serviceDigest(sample('service')),
    )
  })

  it('is the same in any order', () => {
    const both = [...JSON.parse(sample('service')), ...JSON.parse(sample('service-with-node-guard'))]
    assert.equal(serviceDigest(JSON.stringify(both.toReversed())), serviceDigest(JSON.stringify(both)))
  })
})

describe('what a keyprefix watch brings', () => {
  it('is one line per key, with the index of its last change', () => {
    assert.equal(keyprefixDigest(sample('keyprefix')), 't/a 14\nt/b 15\nt/lock 17')
    assert.equal(keyprefixDigest(sample('keyprefix-locks')), 'z200/00000/lock 3155\nz200/00001/lock 3155')
  })

  it('is empty when the prefix is', () => {
    assert.equal(keyprefixDigest(sample('keyprefix-empty')), '')
    assert.equal(keyprefixDigest('null'), '')
  })

  it('differs when a key was written, came or went', () => {
    const before = keyprefixDigest(sample('keyprefix'))
    assert.notEqual(
      keyprefixDigest(changed('keyprefix', ([first, ...rest]) => [{ ...first, ModifyIndex: 15 }, ...rest])),
      before,
    )
    assert.notEqual(keyprefixDigest(changed('keyprefix', ([, ...rest]) => rest)), before)
  })
})

describe('what a checks watch brings', () => {
  const own = { node: 'c2', serviceId: 'svcA-1' }

  it('is one line per check of the instance', () => {
    assert.equal(checksDigest(sample('checks-all'), own), 'svcA-1-up is critical')
    assert.equal(checksDigest(sample('checks-service'), own), 'svcA-1-up is critical')
  })

  it('is empty for whom no check is about', () => {
    assert.equal(checksDigest(sample('checks-all'), { node: 'c3', serviceId: 'svcA-1' }), '')
    assert.equal(checksDigest(sample('checks-all'), { node: 'c2', serviceId: 'svcA-10' }), '')
    assert.equal(checksDigest('[]', own), '')
  })
})

describe('anything else', () => {
  const digests = {
    service: (text: string) => serviceDigest(text),
    keyprefix: (text: string) => keyprefixDigest(text),
    checks: (text: string) => checksDigest(text, { node: 'c2', serviceId: 'svcA-1' }),
  }
  const garbage = [
    '',
    '{',
    '{}',
    '5',
    '"text"',
    '[null]',
    '[5]',
    '[{}]',
    '[{"Node":"c2"}]',
    '[{"Key":5}]',
    '<html>',
    sample('service').slice(0, -20),
  ]
  for (const [watch, digest] of Object.entries(digests)) {
    for (const text of garbage) {
      it(`is refused for a ${watch} watch: ${JSON.stringify(text.slice(0, 20))}`, () => {
        assert.throws(() => digest(text), { name: 'Permanent', message: /^cannot read stdin/ })
      })
    }
  }

  it('is refused for a service or checks watch: null, which only an empty prefix brings', () => {
    assert.throws(() => digests.service('null'), { name: 'Permanent' })
    assert.throws(() => digests.checks('null'), { name: 'Permanent' })
  })

  it("is refused: another watch's input", () => {
    for (const text of [sample('keyprefix'), sample('checks-all'), sample('key'), sample('key-missing')])
      assert.throws(() => digests.service(text), { name: 'Permanent' })
    for (const text of [sample('service'), sample('checks-all'), sample('key')])
      assert.throws(() => digests.keyprefix(text), { name: 'Permanent' })
    for (const text of [sample('service'), sample('keyprefix'), sample('key')])
      assert.throws(() => digests.checks(text), { name: 'Permanent' })
  })
})
