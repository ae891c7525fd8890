/** Hostile JSON: valid JSON with one value replaced by another. */
import fc from 'fast-check'

const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e308,
    5e-324,
    2 ** 53,
    -0,
    '',
    '0',
    '__proto__',
    'constructor',
    [],
    {},
    [null],
    [[]],
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '\u0000',
    '\ud800',
    '../../etc',
    '/',
    '..',
    '%2e%2e',
    'watchbill/other/lock/0',
    '\u001b[2J',
    'x'.repeat(1000),
  ),
  fc.jsonValue({ maxDepth: 3 }),
)

/** The text as JSON with one of its values, or fields, replaced, added or left out. */
export function mutated(valid: unknown): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(), odd, fc.constantFrom('replace', 'remove', 'rename', 'repeat' as const))
    .map(([at, value, how]) => JSON.stringify(changed(valid, at, value, how)) ?? 'undefined')
}

type How = 'replace' | 'remove' | 'rename' | 'repeat'

function changed(valid: unknown, at: number, odd: unknown, how: How): unknown {
  const copy = structuredClone({ all: valid })
  const places: [holder: Record<string, unknown>, field: string][] = []
  collect(copy, places)
  const [holder, field] = places[at % places.length] as [Record<string, unknown>, string]
  if (how === 'remove') delete holder[field]
  else if (how === 'rename')
    Object.defineProperty(holder, typeof odd === 'string' ? odd : 'constructor', {
      value: holder[field],
      enumerable: true,
      configurable: true,
    })
  else holder[field] = how === 'repeat' ? [holder[field], holder[field]] : odd
  return copy.all
}

function collect(value: unknown, places: [Record<string, unknown>, string][]): void {
  if (typeof value !== 'object' || value === null) return
  for (const field of Object.keys(value)) {
    places.push([value as Record<string, unknown>, field])
    collect((value as Record<string, unknown>)[field], places)
  }
}

/** Text that is not JSON, JSON of another shape, and valid JSON that is cut off. */
export function garbage(valid: unknown): fc.Arbitrary<string> {
  const text = JSON.stringify(valid)
  return fc.oneof(
    { weight: 5, arbitrary: mutated(valid) },
    { weight: 2, arbitrary: odd.map(value => JSON.stringify(value) ?? '') },
    { weight: 1, arbitrary: fc.nat(text.length).map(length => text.slice(0, length)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...['', ' ', 'null', '<html><h1>Welcome</h1></html>', '[][]', '{"a":1,"a":2}', '{"__proto__":{"Key":"x"}}'],
        ...['['.repeat(100_000), '{"a":'.repeat(20_000), '1e999', '"\\ud800"', '\ufeff[]'],
      ),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  )
}
