import assert from 'node:assert/strict'
import { test } from 'node:test'
import { best, hash, score } from '../../lib/roster/rendezvous.ts'

const hashes = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => hash(`${prefix}${at}`))

// Two instances that hash differently do not agree on a roster: new values here need a new version of it, see versions.ts.
test('an id hashes as it always did', () => {
  assert.equal(hash(''), -1421968373)
  assert.equal(hash('a'), 444641715)
  assert.equal(hash('partition-7'), -1956471872)
  assert.equal(hash('node-1:kafka'), -1244134223)
  assert.equal(hash('Ö-ключ-😀'), -1209730992)
})

test('scores are signed 32-bit integers', () => {
  const scores = hashes('p', 1000).map(partition => score(partition, hash('a')))
  assert.ok(scores.every(points => points === (points | 0)))
  assert.ok(scores.some(points => points < 0) && scores.some(points => points > 0))
})

test('the best-scored instance wins', () => {
  const instances = hashes('node-', 10)
  for (const partition of hashes('p', 100)) {
    const scores = instances.map(instance => score(partition, instance))
    assert.equal(scores[best(partition, instances)], Math.max(...scores))
  }
})

test('of equals the first wins', () => {
  assert.equal(best(hash('p'), [hash('a'), hash('a'), hash('a')]), 0)
})

test('nobody wins where there is nobody', () => {
  assert.equal(best(hash('p'), []), -1)
})

test('the order of two partitions on one instance says nothing about another instance', () => {
  const partitions = hashes('p', 2000)
  const higher = (instance: number, at: number) =>
    score(partitions[at] as number, instance) > score(partitions[at + 1] as number, instance)
  const [a, b] = hashes('node-', 2) as [number, number]
  const same = partitions.slice(1).filter((_, at) => higher(a, at) === higher(b, at)).length
  assert.ok(Math.abs(same - 1000) < 150, `${same} of 1999 pairs stand alike`)
})

// Chi-squared over 50 instances: mean 49, standard deviation about 10.
for (const [kind, prefix] of [
  ['numbers', ''],
  ['numbered names', 'orders-'],
  ['names with a long common start', 'customers.europe-west.invoices.2031.shard-'],
] as const) {
  test(`${kind} spread evenly`, () => {
    const instances = hashes('node-', 50)
    const won = new Array(50).fill(0)
    for (const partition of hashes(prefix, 10_000)) won[best(partition, instances)]++
    const chi = won.reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0)
    assert.ok(chi < 100, `chi-squared is ${chi}`)
  })
}
