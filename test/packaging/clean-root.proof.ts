/**
 * Both packages on a root that has nothing but Debian's base: install, an upgrade from an earlier version, remove, purge. No
 * file is left. Needs root and debootstrap; the base comes from where this machine's apt is told to look.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { execa } from 'execa'

const source = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'watchbill-root-'))
const root = join(folder, 'root')
after(() => rmSync(folder, { recursive: true, force: true }))
const environment = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  DEBIAN_FRONTEND: 'noninteractive',
  LC_ALL: 'C',
}
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64']
const why = process.getuid?.() !== 0 ? 'needs root' : !existsSync('/usr/sbin/debootstrap') && 'needs debootstrap'

/** In the root, with a /proc of its own. */
async function inRoot(...command: string[]) {
  const enter = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    'sh',
    '-c',
    'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"',
  ]
  const { stdout, stderr, exitCode } = await execa('unshare', [...enter, root, ...command], {
    env: environment,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  return { stdout, stderr, code: exitCode, said: `${stdout}\n${stderr}` }
}

async function succeeds(...command: string[]): Promise<string> {
  const { code, said, stdout } = await inRoot(...command)
  assert.equal(code, 0, said)
  return stdout
}

/** Every path of the root but what belongs to dpkg, to apt, and to this test. */
async function files(): Promise<string[]> {
  const skipped = ['proc', 'sys', 'dev', 'tmp', 'var/lib/dpkg', 'var/cache', 'var/log', 'var/lib/apt', 'packages']
  const { stdout } = await execa(
    'find',
    ['.', ...skipped.flatMap(path => ['-path', `./${path}`, '-prune', '-o']), '-print'],
    { cwd: root },
  )
  return stdout.split('\n').sort()
}

async function built(version: string): Promise<void> {
  const out = join(root, 'packages', version)
  const args = ['packaging/package/build.ts', '--out', out, '--compression', 'gzip', '--version', version]
  await execa(process.execPath, args, { cwd: source })
}

describe('a clean root', { skip: why }, () => {
  let clean: string[]
  before(async () => {
    const targets = await execa('apt-get', ['indextargets', '--format', '$(SITE) $(RELEASE)', 'Created-By: Packages'])
    const [site = '', release = ''] = (targets.stdout.split('\n')[0] ?? '').split(' ')
    await execa('debootstrap', ['--variant=minbase', '--include=init-system-helpers,xz-utils', release, root, site])
    await mkdir(join(root, 'packages'))
    for (const version of ['0.0.9', '0.1.0']) await built(version)
    clean = await files()
  })

  const deb = (version: string) => `/packages/${version}/watchbill_${version}_${architecture}.deb`
  const current = async () => (await succeeds('readlink', '/usr/local/lib/watchbill/current')).replace(/-\w+$/, '')

  const works = async (): Promise<void> => {
    assert.match(await succeeds('watchbill', '--help'), /^ {2}guard +Run by Consul/m)
    const { code, stderr } = await inRoot('watchbill', 'status')
    assert.deepEqual([code, /^status: temporary: cannot reach Consul/.test(stderr)], [111, true], stderr)
    await mkdir(join(root, 'etc/consul.d'), { recursive: true })
    const definition = { name: 'svc', partitions: { range: [0, 3] }, run: { command: ['/bin/sleep', '1000'] } }
    await writeFile(join(root, 'etc/watchbill/svc.json'), JSON.stringify(definition))
    await succeeds('watchbill', 'configure', '--node', 'n1')
    const written = readFileSync(join(root, 'etc/consul.d/watchbill-svc.json'), 'utf8')
    assert.match(written, /"\/usr\/local\/lib\/watchbill\/current\/guard\.cjs"/)
  }

  const isAsBefore = async (): Promise<void> => {
    assert.equal(existsSync(join(root, 'etc/consul.d/watchbill-svc.json')), false)
    rmSync(join(root, 'etc/consul.d'), { recursive: true })
    assert.deepEqual(
      (await files()).filter(path => !clean.includes(path)),
      [],
    )
  }

  it('takes the package: dpkg owns nothing that Consul runs, and every file is as packed', async () => {
    await succeeds('dpkg', '--install', deb('0.0.9'))
    assert.equal(await current(), 'releases/0.0.9')
    assert.equal((await inRoot('dpkg', '--search', '/usr/local/lib/watchbill')).code, 1)
    assert.equal(await succeeds('dpkg', '--verify', 'watchbill'), '')
    await works()
  })

  it('is upgraded and taken back, and each time the other release stays for what runs from it', async () => {
    await succeeds('dpkg', '--install', deb('0.1.0'))
    assert.equal(await current(), 'releases/0.1.0')
    assert.match(await succeeds('ls', '/usr/local/lib/watchbill/releases'), /^0\.0\.9-\w+\n0\.1\.0-\w+$/)
    await succeeds('dpkg', '--install', deb('0.0.9'))
    assert.equal(await current(), 'releases/0.0.9')
    await succeeds('dpkg', '--install', deb('0.1.0'))
  })

  it('is removed, and what Consul runs stays', async () => {
    await succeeds('dpkg', '--remove', 'watchbill')
    assert.equal(existsSync(join(root, 'usr/bin/watchbill')), false)
    assert.match(await succeeds('/usr/local/lib/watchbill/current/watchbill', '--help'), /guard/)
    assert.ok(existsSync(join(root, 'etc/watchbill/svc.json')))
  })

  it('is purged, and nothing is left', async () => {
    await succeeds('dpkg', '--purge', 'watchbill')
    await isAsBefore()
  })

  it('takes the archive, upgrades it, and install.sh --uninstall leaves nothing', async () => {
    for (const version of ['0.0.9', '0.1.0']) {
      const name = `watchbill-${version}-linux-${process.arch}`
      await succeeds('tar', 'xf', `/packages/${version}/${name}.tar.gz`, '-C', '/packages')
      await succeeds('sh', `/packages/${name}/install.sh`)
      assert.equal(await current(), `releases/${version}`)
    }
    await works()
    await cp(join(root, 'usr/lib/watchbill/install.sh'), join(root, 'packages/install.sh'))
    await succeeds('sh', '/packages/install.sh', '--uninstall')
    await isAsBefore()
  })
})

describe('a build', () => {
  it('has the same bytes twice, whatever the time zone, the umask and the time', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')]
    const build = (out: string, umask: string, TZ: string) =>
      execa(
        'sh',
        ['-c', `umask ${umask} && exec "$0" "$@"`, process.execPath, 'packaging/package/build.ts', '--out', out],
        {
          cwd: source,
          env: { TZ },
        },
      )
    await build(one, '022', 'UTC')
    await build(two, '077', 'Asia/Tokyo')
    assert.equal(readFileSync(join(one, 'SHA256SUMS'), 'utf8'), readFileSync(join(two, 'SHA256SUMS'), 'utf8'))
    await execa('sha256sum', ['--check', 'SHA256SUMS'], { cwd: one })
  })
})
