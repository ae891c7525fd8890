/** The policies in consul.d/ against every key that lib writes or reads: a new key must be below a prefix that they name. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { keysOf, locksRoot } from '../../lib/base/names.ts'
import { eventsKey } from '../../lib/keys/events.ts'
import { figuresKey } from '../../lib/keys/figures.ts'
import { healthKey } from '../../lib/keys/health.ts'
import { powerKey, turnKey } from '../../lib/keys/power.ts'
import { schedulerRoot } from '../../lib/keys/scheduler-memory.ts'
import { type Role, rulesFor } from './lab.ts'

const service = 'consumer'
const lib = new URL('../../lib/', import.meta.url).pathname

/** Below the service's own prefix: every builder of `keysOf`. */
const own = Object.values(keysOf(service)).flatMap((key): string | string[] => {
  return typeof key === 'string' ? key : (key as (...names: string[]) => string | string[])('a:b', 'c')
})
/** Beside it. */
const beside = [eventsKey, figuresKey, healthKey].map(keyOf => keyOf(service, 'a:b'))
const all = [...own, ...beside, `${schedulerRoot(service)}state`]
/** Of machines, not of a service. */
const ofMachines = [turnKey, powerKey('a')]

/** Which prefixes a policy allows, by what it allows there. */
function allowed(role: Role): Map<string, string> {
  const blocks = rulesFor(role, service).matchAll(/^key_prefix "([^"]*)" \{\s*policy = "(\w+)"\s*\}$/gm)
  return new Map([...blocks].map(([, prefix = '', policy = '']) => [prefix, policy]))
}

/** What it may do with a key: the longest prefix counts, and without one nothing is allowed. */
function may(rules: ReadonlyMap<string, string>, key: string): string {
  const fits = [...rules.keys()].filter(prefix => key.startsWith(prefix)).sort((a, b) => b.length - a.length)
  return rules.get(fits[0] ?? '') ?? 'deny'
}

const roles: [role: Role, policy: string][] = [
  ['policy', 'write'],
  ['operator', 'write'],
  ['read-only', 'read'],
]

describe('the policies in consul.d', () => {
  for (const [role, policy] of roles) {
    it(`let a token ${policy} every key of a service: ${role}`, () => {
      const rules = allowed(role)
      assert.ok(own.length > 40 && rules.size >= 5)
      assert.deepEqual(
        [...all, ...ofMachines].filter(key => may(rules, key) !== policy),
        [],
      )
    })

    it(`let a token ${policy} nothing of another service: ${role}`, () => {
      const rules = allowed(role)
      const others = all.map(key => key.replace(`/${service}/`, '/consumer2/'))
      assert.deepEqual(
        others.filter(key => may(rules, key) !== 'deny'),
        [],
      )
    })
  }

  it('know every prefix beside the services that lib has: none is missing here', () => {
    const found = new Set(
      globSync('**/*.ts', { cwd: lib }).flatMap(file => {
        const code = readFileSync(lib + file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '')
        return [...code.matchAll(/watchbill\/\.[\w-]+\//g)].map(([prefix]) => prefix)
      }),
    )
    const known = new Set(
      [...all, ...ofMachines, locksRoot].flatMap(key => /^watchbill\/\.[\w-]+\//.exec(key)?.[0] ?? []),
    )
    assert.deepEqual([...found].sort(), [...known].sort())
  })
})
