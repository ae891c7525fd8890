import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { execa } from 'execa'
import { named, onPath } from '../../lib/setup/agent/consul-program.ts'
import { consulBinary } from './consul.ts'
import { checksum, type Fetch, fetchConsul, type Pin } from './fetch.ts'

const folder = mkdtempSync(join(tmpdir(), 'watchbill-consul-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function file(path: string, text: string, mode = 0o644): string {
  const full = join(folder, path)
  mkdirSync(join(full, '..'), { recursive: true })
  writeFileSync(full, text)
  chmodSync(full, mode)
  return full
}

describe('which Consul', () => {
  const program = file('bin/consul', '#!/bin/sh\n', 0o755)
  const plain = file('other/consul', 'no program')

  it('is the one that CONSUL_BIN names', () => {
    assert.equal(named({ CONSUL_BIN: program }), program)
    assert.equal(named({ CONSUL_BIN: '' }), null)
    assert.equal(named({}), null)
  })

  it('is never another one when CONSUL_BIN is wrong', () => {
    for (const CONSUL_BIN of [plain, folder, join(folder, 'nothing')]) {
      assert.throws(
        () => named({ CONSUL_BIN }),
        /^Permanent: cannot use CONSUL_BIN=.*; set it to Consul's path, or unset/,
      )
    }
  })

  it('is else the first program of that name on PATH', () => {
    const PATH = ['/nowhere', join(folder, 'other'), join(folder, 'bin')].join(':')
    assert.equal(onPath({ PATH }), program)
    assert.equal(onPath({ PATH: join(folder, 'other') }), null)
    assert.equal(onPath({}), null)
  })

  it('runs', async () => {
    const { stdout } = await execa(await consulBinary(console.error), ['version'])
    assert.match(stdout, /^Consul v1\.\d+\.\d+/)
  })
})

const { failed: noApt } = await execa('sh', ['-c', 'command -v apt-get && command -v dpkg-deb'], { reject: false })
const skip = noApt && 'needs apt-get and dpkg-deb'

// An archive of one package, in a folder: all of apt's way is walked, and no network used.
describe('fetching', { skip }, () => {
  const etc = join(folder, 'etc')
  const archive = join(folder, 'archive')
  let pin: Pin
  let count = 0
  before(async () => {
    const program = file('package/usr/bin/consul', '#!/bin/sh\necho a stand-in\n', 0o755)
    const control = ['Package: consul', 'Version: 9.9', 'Architecture: amd64', 'Maintainer: x', 'Description: x', '']
    file('package/DEBIAN/control', control.join('\n'))
    mkdirSync(archive)
    const deb = join(archive, 'consul_9.9_amd64.deb')
    await execa('dpkg-deb', ['--build', join(folder, 'package'), deb])
    const sums = { package: await checksum(deb), program: await checksum(program) }
    pin = { suite: 'bullseye', version: '9.9', folder: '9.9', sums }
    const entry = [
      ...control.slice(0, -1),
      'Filename: consul_9.9_amd64.deb',
      `Size: ${statSync(deb).size}`,
      `SHA256: ${sums.package}`,
    ]
    file('archive/dists/bullseye/main/binary-amd64/Packages', `${entry.join('\n')}\n`)
    file('etc/sources.list', `deb [trusted=yes arch=amd64] file:${archive} bookworm main\n`)
  })

  function fetching(change: Partial<Fetch> = {}): Fetch {
    return { cache: join(folder, `cache-${++count}`), pin, etc, say: () => {}, ...change }
  }

  it('puts the program into the cache, says so once, and leaves nothing else', async () => {
    const said: string[] = []
    const fetch = fetching({ say: line => said.push(line) })
    const program = await fetchConsul(fetch)
    assert.equal((await execa(program)).stdout, 'a stand-in')
    assert.equal(await fetchConsul({ ...fetch, etc: '/nowhere' }), program)
    assert.deepEqual(readdirSync(fetch.cache), ['9.9'])
    assert.equal(said.length, 1)
  })

  it('may happen twice at once', async () => {
    const fetch = fetching()
    const [one, two] = await Promise.all([fetchConsul(fetch), fetchConsul(fetch)])
    assert.equal(one, two)
    assert.deepEqual(readdirSync(fetch.cache), ['9.9'])
  })

  it('refuses a package with another checksum, and keeps nothing of it', async () => {
    const fetch = fetching({ pin: { ...pin, sums: { ...pin.sums, package: '0'.repeat(64) } } })
    await assert.rejects(
      fetchConsul(fetch),
      /^Permanent: cannot use consul 9\.9 as fetched: its checksum is .*CONSUL_BIN/,
    )
    assert.deepEqual(readdirSync(fetch.cache), [])
  })

  it('refuses a cached program that was changed', async () => {
    const fetch = fetching()
    writeFileSync(await fetchConsul(fetch), 'changed')
    await assert.rejects(fetchConsul(fetch), /^Permanent: cannot use .*its checksum is not the pinned one; remove /)
  })

  it('refuses a version that is not the pinned one', async () => {
    const fetch = fetching({ pin: { ...pin, version: '9.8' } })
    await assert.rejects(
      fetchConsul(fetch),
      /^Temporary: cannot fetch Consul: .*9\.8.*; install consul or set CONSUL_BIN/,
    )
    assert.deepEqual(readdirSync(fetch.cache), [])
  })

  it('says what to do on a machine without a Debian archive', async () => {
    const fetch = fetching({ etc: '/nowhere' })
    await assert.rejects(fetchConsul(fetch), /^Permanent: .*no Debian main archive; install consul or set CONSUL_BIN/)
    assert.equal(existsSync(join(fetch.cache, '9.9')), false)
  })
})
