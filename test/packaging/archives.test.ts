/** The archives that `npm run package` writes: what tar and dpkg read from them, and that nothing but the tree changes their bytes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type About, changelog, controlFiles, script } from '../../packaging/package/control.ts'
import { deb } from '../../packaging/package/deb.ts'
import { tar } from '../../packaging/package/tar.ts'
import { type Entry, file, type Tree } from '../../packaging/package/tree.ts'

const time = 1_700_000_000
const about: About = {
  version: '1.2.3',
  description: 'Every partition on one machine',
  architecture: 'amd64',
  time,
  maintainer: 'Nobody <nobody@watchbill.invalid>',
}
const long = `usr/lib/${'a-long-name/'.repeat(9)}file`
const tree: Tree = new Map<string, Entry>([
  ['usr/bin/program', file('#!/bin/sh\n', 0o755)],
  [long, file('far away\n')],
  ['etc/watchbill', 'directory'],
  ['usr/bin/other', { target: 'program' }],
])
const reversed: Tree = new Map([...tree].reverse())
const folder = mkdtempSync(join(tmpdir(), 'watchbill-archives-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function read(program: string, args: readonly string[], input?: Buffer): string {
  const { stdout, stderr, status } = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
  })
  assert.equal(status, 0, stderr)
  return stdout
}

describe('an archive', () => {
  it('has every directory before what is in it, and is owned by root', () => {
    const lines = read('tar', ['tvf', '-', '--full-time'], tar(tree, './', time))
      .trim()
      .split('\n')
    assert.deepEqual(
      lines.map(line => line.replace(/\s+/g, ' ')).filter(line => !line.includes('a-long-name')),
      [
        'drwxr-xr-x root/root 0 2023-11-14 22:13:20 ./',
        'drwxr-xr-x root/root 0 2023-11-14 22:13:20 ./etc/',
        'drwxr-xr-x root/root 0 2023-11-14 22:13:20 ./etc/watchbill/',
        'drwxr-xr-x root/root 0 2023-11-14 22:13:20 ./usr/',
        'drwxr-xr-x root/root 0 2023-11-14 22:13:20 ./usr/bin/',
        'lrwxrwxrwx root/root 0 2023-11-14 22:13:20 ./usr/bin/other -> program',
        '-rwxr-xr-x root/root 10 2023-11-14 22:13:20 ./usr/bin/program',
        'drwxr-xr-x root/root 0 2023-11-14 22:13:20 ./usr/lib/',
      ],
    )
  })

  it('holds files whose path is longer than a name may be', () => {
    assert.equal(read('tar', ['xOf', '-', `./${long}`], tar(tree, './', time)), 'far away\n')
  })

  it('does not depend on the order in which the tree was put together', () => {
    assert.ok(tar(tree, './', time).equals(tar(reversed, './', time)))
  })
})

const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0

describe('a Debian package', { skip: !hasDpkg && 'there is no dpkg-deb' }, () => {
  for (const compression of ['gzip', 'xz'] as const)
    it(`is read by dpkg-deb, compressed by ${compression}`, async () => {
      const path = join(folder, `${compression}.deb`)
      writeFileSync(path, await deb(tree, controlFiles(tree, about), time, compression))
      assert.equal(
        read('dpkg-deb', ['--field', path, 'Version', 'Architecture']),
        'Version: 1.2.3\nArchitecture: amd64\n',
      )
      assert.match(read('dpkg-deb', ['--contents', path]), /^-rwxr-xr-x root\/root +10 .* \.\/usr\/bin\/program$/m)
      assert.match(read('dpkg-deb', ['--info', path]), /\* {2}postinst +#!\/bin\/sh/)
    })

  it('has the same bytes twice', async () => {
    const build = (of: Tree) => deb(of, controlFiles(of, about), time, 'xz')
    assert.ok((await build(tree)).equals(await build(reversed)))
  })

  it('has a changelog with the time of the sources', () => {
    const text = read('gzip', ['-dc'], changelog(about))
    assert.match(text, /^watchbill \(1\.2\.3\) unstable; urgency=medium\n/)
    assert.match(text, /^ -- Nobody <nobody@watchbill\.invalid> {2}Tue, 14 Nov 2023 22:13:20 \+0000$/m)
  })
})

describe('the scripts', () => {
  for (const name of ['postinst', 'prerm', 'postrm', 'install'])
    it(`${name} is whole, and sh can read it`, () => {
      assert.doesNotMatch(script(name), /^# @/m)
      read('sh', ['-n', '-c', script(name)])
    })
})
