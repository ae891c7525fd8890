/**
 * What may import what in lib. Its rooms (folders) stand on floors: a file imports only from its own room and from floors
 * below it. Types and dynamic imports count: whoever reads a file has to read those too.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it, test } from 'node:test'

/** From the ground up. A room that is needed by all others stands low, one that needs all others high. */
const floors: readonly (readonly string[])[] = [
  ['base'], //                                clock, errors, names, text, JSON
  ['machine', 'consul', 'definition'], //     /proc and programs; the HTTP API; the definition file
  ['state'], //                               what stands on disk
  ['keys'], //                                what stands in Consul
  ['look'], //                                one consistent look at both
  ['roster'], //                              pure: who should have what
  ['roll'], //                                pure: which version is meant for what, and the next step of a roll-out
  ['plan'], //                                pure: what to do about it
  ['process', 'hooks'], //                    shepherds and workers; commands that are told
  ['checks'], //                              the checks of what runs
  ['act'], //                                 one file for each kind of step
  ['reconcile.ts', 'guard'], //               the loop; the tick in between
  ['attend', 'sources', 'scheduler', 'render', 'rollout', 'power'], // what is started beside the loop
  ['program'], //                             what every program shares
  ['operate', 'setup', 'lock', 'client'], //  what people run, and what a worker imports
  ['page'], //                                what shows all of it in a browser
]

/** File -> the files that it imports. Paths below lib/. */
type Graph = Readonly<Record<string, readonly string[]>>

/** One line for each import, file or circle that breaks a rule. */
function faultsOf(graph: Graph): string[] {
  return [...new Set([...Object.keys(graph).flatMap(misplaced), ...forbidden(graph), ...circles(graph)])]
}

function misplaced(file: string): string[] {
  if (floorOf(file) >= 0) return []
  return file.includes('/')
    ? [`lib/${roomOf(file)}/ has no floor; name one in test/layers.test.ts`]
    : [`lib/${file} lies loose in lib; put it into the room of what it is about`]
}

function forbidden(graph: Graph): string[] {
  const arrows = Object.entries(graph).flatMap(([from, all]) => all.map(to => ({ from, to })))
  return arrows.flatMap(({ from, to }) => {
    if (to.startsWith('..')) return [`lib/${from} imports ${join('lib', to)}, which is not in lib`]
    const [floor, other] = [floorOf(from), floorOf(to)]
    if (floor < 0 || other < 0 || other < floor || roomOf(from) === roomOf(to)) return []
    const why = other > floor ? 'stands on a higher floor' : 'is another room of the same floor'
    return [`lib/${from} imports lib/${to}, which ${why}`]
  })
}

/** Each circle once, from its first file in the order of names. */
function circles(graph: Graph): string[] {
  const found = new Set<string>()
  const done = new Set<string>()
  const walk = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file)
    if (start >= 0) found.add(named(path.slice(start)))
    if (start >= 0 || done.has(file)) return
    for (const next of graph[file] ?? []) walk(next, [...path, file])
    done.add(file)
  }
  for (const file of Object.keys(graph)) walk(file, [])
  return [...found]
}

function named(circle: readonly string[]): string {
  const first = circle.indexOf(circle.toSorted()[0] as string)
  const turned = [...circle.slice(first), ...circle.slice(0, first)]
  return `a circle: ${[...turned, turned[0]].map(file => `lib/${file}`).join(' → ')}`
}

function floorOf(file: string): number {
  return floors.findIndex(rooms => rooms.includes(roomOf(file)))
}

function roomOf(file: string): string {
  return file.split('/')[0] as string
}

const lib = join(import.meta.dirname, '../lib')

function graphOfLib(): Graph {
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter(file => /\.(ts|mjs|cjs)$/.test(file))
  return Object.fromEntries(
    files.toSorted().map(file => [file, importsOf(file, readFileSync(join(lib, file), 'utf8'))]),
  )
}

/** The relative imports of a file, of whatever kind, without those in comments. */
function importsOf(file: string, source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const specifiers = code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*(['"])(\.[^'"]+)\1/g)
  return [...new Set(Array.from(specifiers, ([, , specifier]) => join(dirname(file), specifier as string)))]
}

describe('the layers of lib', () => {
  it('hold: no import runs up or sideways, there is no circle, and nothing lies loose', () => {
    const graph = graphOfLib()
    assert.ok(Object.keys(graph).length > 200, 'the files of lib are found')
    assert.deepEqual(faultsOf(graph), [])
  })

  it('know every room: none of theirs is missing', () => {
    const rooms = new Set(readdirSync(lib))
    assert.deepEqual(
      floors.flat().filter(room => !rooms.has(room)),
      [],
    )
  })
})

const broken: [what: string, graph: Graph, fault: string][] = [
  [
    'an arrow that runs up',
    { 'base/text.ts': ['plan/step.ts'], 'plan/step.ts': [] },
    'lib/base/text.ts imports lib/plan/step.ts, which stands on a higher floor',
  ],
  [
    'rooms of one floor that import each other',
    { 'consul/kv.ts': ['machine/identity.ts'], 'machine/identity.ts': [] },
    'lib/consul/kv.ts imports lib/machine/identity.ts, which is another room of the same floor',
  ],
  [
    'a circle of files, within a room too',
    {
      'consul/http.ts': ['consul/kv.ts'],
      'consul/kv.ts': ['consul/permission.ts'],
      'consul/permission.ts': ['consul/http.ts'],
    },
    'a circle: lib/consul/http.ts → lib/consul/kv.ts → lib/consul/permission.ts → lib/consul/http.ts',
  ],
  [
    'an import from outside of lib',
    { 'act/act.ts': ['../handlers/status.ts'] },
    'lib/act/act.ts imports handlers/status.ts, which is not in lib',
  ],
  ['a loose file', { 'utils.ts': [] }, 'lib/utils.ts lies loose in lib; put it into the room of what it is about'],
  ['a room without a floor', { 'helpers/text.ts': [] }, 'lib/helpers/ has no floor; name one in test/layers.test.ts'],
]

for (const [what, graph, fault] of broken) {
  test(`the layers do not hold with ${what}`, () => assert.deepEqual(faultsOf(graph), [fault]))
}

test('an import of whatever kind counts, and none in a comment', () => {
  const source = `
    /** Not import('../program/frame.ts'). */
    import { a } from './a.ts'
    import type { B } from '../base/b.ts'
    export type { C } from "../keys/c.ts"
    import './side-effect.ts'
    // import { d } from './d.ts'
    const { e } = await import('../act/e.ts')
    type F = typeof import('../look/f.ts')
    import { readFileSync } from 'node:fs'
  `
  assert.deepEqual(importsOf('state/x.ts', source), [
    'state/a.ts',
    'base/b.ts',
    'keys/c.ts',
    'state/side-effect.ts',
    'act/e.ts',
    'look/f.ts',
  ])
})
