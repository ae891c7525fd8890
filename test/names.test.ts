import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decode, encode, idRefusal, instanceName, keyRefusal, keysOf, lockKeysOf, safeId } from '../lib/base/names.ts'
import { unwritten } from '../lib/consul/kv.ts'
import { newestRefuses } from './fixtures/key-rule.ts'

const samples: [string, string][] = [
  ['plain', 'plain'],
  ['7', '7'],
  ['a-b_c.d:e', 'a-b_c.d:e'],
  ['ü', 'ü'],
  ['日本', '日本'],
  ['a/b', 'a%2Fb'],
  ['x y', 'x%20y'],
  [' ', '%20'],
  ['..', '%2E.'],
  ['.', '%2E'],
  ['.hidden', '%2Ehidden'],
  ['a.', 'a.'],
  ['%2e', '%252e'],
  ['%', '%25'],
  [';rm', '%3Brm'],
  ['$(reboot)', '%24%28reboot%29'],
  ['a\\b', 'a%5Cb'],
  ['*', '%2A'],
  ['😀', '%F0%9F%98%80'],
  ['u\u0308', 'u%CC%88'],
  ['\u2028', '%E2%80%A8'],
]

describe('encode', () => {
  for (const [id, encoded] of samples) {
    it(`makes ${encoded} of ${JSON.stringify(id)}, and decode makes it again`, () => {
      assert.equal(encode(id), encoded)
      assert.equal(decode(encoded), id)
    })
  }

  const refused: [string, string][] = [
    ['an empty id', ''],
    ['a null character', 'a\u0000b'],
    ['a newline', 'a\nb'],
    ['a tab', '\t'],
    ['an escape', '\u001b[31m'],
    ['a delete', '\u007f'],
    ['a C1 control character', '\u0085'],
    ['half a character, first half', 'a\ud83d'],
    ['half a character, second half', '\ude00a'],
    ['halves in the wrong order', '\ude00\ud83d'],
  ]
  for (const [what, id] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => encode(id), { name: 'Permanent', message: /^cannot use the id "/ }))
  }

  const limits: [string, string, string][] = [
    ['letters of one byte', 'a'.repeat(200), 'a'.repeat(201)],
    ['letters of two bytes', 'ü'.repeat(100), `${'ü'.repeat(100)}a`],
    ['what takes three bytes encoded', `${'/'.repeat(66)}ab`, '/'.repeat(67)],
    ['what takes twelve bytes encoded', `${'😀'.repeat(16)}aaaaaaaa`, '😀'.repeat(17)],
    ['a leading dot, which takes three', `.${'a'.repeat(197)}`, `.${'a'.repeat(198)}`],
  ]
  for (const [what, longest, tooLong] of limits) {
    it(`takes up to 200 bytes of ${what}`, () => {
      assert.equal(Buffer.byteLength(encode(longest)), 200)
      assert.throws(() => encode(tooLong), { name: 'Permanent', message: /use 1 to 200 bytes/ })
    })
  }
})

describe('decode', () => {
  const foreign = [
    '',
    '.',
    '..',
    '%2e',
    '%2F%',
    '%',
    '%zz',
    'a/b',
    'a b',
    'x%41',
    'a%2E',
    '%C3%BC',
    '%FF',
    '%00',
    'a%0A',
    'a'.repeat(201),
    '%ED%A0%80',
  ]
  for (const key of foreign) {
    it(`says that ${JSON.stringify(key.slice(0, 12))} is nobody's id`, () => assert.equal(decode(key), null))
  }
})

// Short enough to be ids, of all that text can hold.
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 16 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('.', '/', '%', '2', 'e', 'E', 'F', ' ', ';', 'ü', ':'), maxLength: 20 }),
)

function encodeOrNull(id: string): string | null {
  try {
    return encode(id)
  } catch {
    return null
  }
}

describe('any text', () => {
  it('comes back as it was, or is refused', () => {
    fc.assert(
      fc.property(text, id => {
        const encoded = encodeOrNull(id)
        return encoded === null || decode(encoded) === id
      }),
      { numRuns: 2000 },
    )
  })

  it('is written in the same way on its own and beside what is not plain', () => {
    const words = fc.string({
      unit: fc.constantFrom('a', 'Z', '0', '_', '-', ':', '.', '%', '/', ' '),
      minLength: 1,
      maxLength: 9,
    })
    fc.assert(
      fc.property(words, id => encode(id) === encode(`${id}ü`).slice(0, -1) && decode(encode(id)) === id),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(words, name => decode(name) === (decode(`${name}ü`)?.slice(0, -1) ?? null)),
      { numRuns: 2000 },
    )
  })

  it('makes one segment of a key and one file name: no slash, no blank, no shell character, no leading dot', () => {
    fc.assert(
      fc.property(text, id => {
        const encoded = encodeOrNull(id)
        return (
          encoded === null ||
          (/^[\p{L}\p{N}_:%-][\p{L}\p{N}_.:%-]*$/u.test(encoded) && Buffer.byteLength(encoded) <= 200)
        )
      }),
      { numRuns: 2000 },
    )
  })

  it('has a key of its own', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [first, second] = [encodeOrNull(a), encodeOrNull(b)]
        return a === b || first === null || first !== second
      }),
      { numRuns: 2000 },
    )
  })

  it('read as a key is either what encode writes, or nobody’s', () => {
    fc.assert(
      fc.property(text, key => {
        const id = decode(key)
        return id === null || encode(id) === key
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the keys of a service', () => {
  const keys = keysOf('web shop')

  it('are all below one root, whatever the ids hold', () => {
    assert.equal(keys.root, 'watchbill/web%20shop/')
    assert.equal(keys.lock('../member/a'), 'watchbill/web%20shop/lock/%2E.%2Fmember%2Fa')
    assert.equal(keys.partition('..'), 'watchbill/web%20shop/partition/%2E.')
    assert.equal(keys.member('a:web'), 'watchbill/web%20shop/member/a:web')
    assert.equal(keys.report('a:web'), 'watchbill/web%20shop/report/a:web')
    for (const key of [keys.revision, keys.settings, keys.joined, keys.look]) assert.ok(key.startsWith(keys.spec))
  })

  it('end the prefix of a wake-up, so that a-1 does not wake a-10', () => {
    assert.equal(keys.wake('a-1'), 'watchbill/web%20shop/wake/a-1/')
    assert.ok(!keys.wake('a-10').startsWith(keys.wake('a-1')))
  })
})

describe('the keys of a lock', () => {
  it('are below a root that no service can have', () => {
    const { root, spec, slot } = lockKeysOf('deploy')
    assert.equal(root, 'watchbill/.lock/deploy/')
    assert.deepEqual([spec, slot(3)], [`${root}spec`, `${root}slot/3`])
    assert.equal(decode('.lock'), null)
    assert.notEqual(keysOf('.lock').root, 'watchbill/.lock/')
  })

  it('are one segment each, whatever the name holds, and another for another name', () => {
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 15 })
    fc.assert(
      fc.property(name, name, (a, b) => {
        const roots = [lockKeysOf(a).root, lockKeysOf(b).root]
        for (const root of roots) assert.match(root, /^watchbill\/\.lock\/(?!\.)[^/\p{Cc}]+\/$/u)
        assert.equal(roots[0] === roots[1], a === b)
      }),
    )
    assert.equal(lockKeysOf('a\n/../\0').root, 'watchbill/.lock/a%0A%2F..%2F%00/')
  })

  it('are refused for a name that is empty, or too long', () => {
    for (const name of ['', 'x'.repeat(201), '\n'.repeat(67)]) {
      assert.throws(() => lockKeysOf(name), {
        name: 'Permanent',
        message: /^cannot use the lock name .*; use 1 to 200 bytes$/,
      })
    }
  })
})

it('names an instance by its node and its service id', () => assert.equal(instanceName('n:1', 'web'), 'n:1:web'))

describe('what newer agents refuse', () => {
  const services = fc.constantFrom('svc', 'a..b', 'a.b')

  const refused = ['x y', ' ', '..', 'a/../b', 'x/y..z', '50% off', 'a\u00a0b', '\u2028', '\u3000']
  for (const id of refused) it(`is ${JSON.stringify(id)}`, () => assert.notEqual(idRefusal(keysOf('svc'), id), null))

  const taken = ['a/b', 'a:b', '%2e', '.hidden', 'y..z', '日本', '%', '50%', ';rm', '.']
  for (const id of taken) it(`is not ${JSON.stringify(id)}`, () => assert.equal(idRefusal(keysOf('svc'), id), null))

  it('is known by the rule of the newest one, of any key', () => {
    const key = fc.oneof(
      text,
      text.map(id => `watchbill/svc/lock/${encodeOrNull(id) ?? 'x'}`),
      fc
        .array(fc.constantFrom('%', '2', '0', 'E', 'e', 'C', '3', 'A', '.', '/', 'a', ' ', 'ü'), { maxLength: 12 })
        .map(all => all.join('')),
    )
    fc.assert(
      fc.property(key, key => (keyRefusal(key) !== null) === newestRefuses(key)),
      { numRuns: 5000 },
    )
  })

  it('has none of the keys of an id that is accepted', () => {
    fc.assert(
      fc.property(services, text, (service, id) => {
        if (encodeOrNull(id) === null || idRefusal(keysOf(service), id) !== null) return true
        const keys = keysOf(service)
        const all = [keys.partition(id), keys.lock(id), keys.restart(id), keys.coolDown(id)]
        return !all.some(newestRefuses)
      }),
      { numRuns: 5000 },
    )
  })

  it('has none of the keys that ask whether something may be read', () => {
    for (const service of ['svc', 'a..b']) {
      const { locks, members, partitions, restarts, root } = keysOf(service)
      for (const prefix of [root, locks, members, partitions, restarts]) {
        assert.equal(newestRefuses(unwritten(prefix)), false)
        assert.equal(decode(unwritten(prefix).slice(prefix.length)), null)
      }
    }
  })

  it('is never what is proposed instead', () => {
    fc.assert(
      fc.property(text, id => {
        const proposed = safeId(id)
        return proposed !== '' && keyRefusal(keysOf('svc').partition(proposed)) === null
      }),
      { numRuns: 2000 },
    )
    assert.deepEqual(['tenant one', '50% off', 'a/../b', '..', 'nightly report '].map(safeId), [
      'tenant-one',
      '50-off',
      'a-.-b',
      'partition',
      'nightly-report',
    ])
  })
})
