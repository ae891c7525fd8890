/**
 * Which file systems renew a lease when they are full. Each is made in a file; what this machine cannot make is skipped.
 * NFS is not among them: it takes a server in the kernel.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { readTwice, writeTwice } from '../../lib/state/twice.ts'
import { disk, withoutMounts } from '../fixtures/disk.ts'

/** A file system of its own in a file on a tmpfs, full to the last block. */
const fill = `
dd if=/dev/zero of=filler bs=64k; dd if=/dev/zero of=last bs=512
nth=0; while [ $nth -lt 300 ] && echo x >small.$nth; do nth=$((nth + 1)); done
sync -f .; dd if=/dev/zero of=more bs=512; sync -f .`

function made(t: TestContext, size: string, make: readonly string[], options: string): string | null {
  const { directory } = disk(t, 'size=400m')
  const [image, place] = [join(directory, 'image'), join(directory, 'place')]
  mkdirSync(place)
  execFileSync('truncate', ['-s', size, image])
  const [program = '', ...args] = make
  if (spawnSync(program, [...args, image]).status !== 0) return null
  if (spawnSync('mount', ['-o', `loop${options}`, image, place]).status !== 0) return null
  t.after(() => spawnSync('umount', ['--lazy', place]))
  return place
}

const line = (time: number) => `boot ${String(time).padEnd(14)}`

function renewsWhenFull(place: string): void {
  const file = join(place, 'lease')
  writeTwice(file, line(1))
  spawnSync('sh', ['-c', fill], { cwd: place })
  assert.throws(() => writeTwice(join(place, 'another'), line(1).repeat(1000)), /ENOSPC/, 'it is full')
  for (let time = 2; time < 6; time++) {
    writeTwice(file, line(time))
    assert.equal(readTwice(file), `boot ${time}`)
    execFileSync('sync', ['-f', place])
  }
}

describe('a lease in a full file system', { skip: withoutMounts }, () => {
  const rows: [name: string, size: string, make: string[], options: string][] = [
    ['ext4', '16M', ['mkfs.ext4', '-q', '-F'], ''],
    ['ext4 that journals data', '32M', ['mkfs.ext4', '-q', '-F'], ',data=journal'],
    ['ext4 with data in inodes', '16M', ['mkfs.ext4', '-q', '-F', '-O', 'inline_data'], ''],
    ['xfs', '320M', ['mkfs.xfs', '-q', '-f'], ''],
    ['btrfs with nodatacow', '128M', ['mkfs.btrfs', '-q', '-f'], ',nodatacow'],
  ]
  for (const [name, size, make, options] of rows) {
    it(`is renewed on ${name}`, t => {
      const place = made(t, size, make, options)
      if (place === null) return t.skip(`this machine makes no ${name}`)
      renewsWhenFull(place)
    })
  }

  it('is renewed on btrfs in a directory with the attribute C', t => {
    const place = made(t, '128M', ['mkfs.btrfs', '-q', '-f'], '')
    if (place === null) return t.skip('this machine makes no btrfs')
    execFileSync('chattr', ['+C', place])
    renewsWhenFull(place)
  })

  it('is not renewed on btrfs otherwise: each write takes a new block', t => {
    const place = made(t, '128M', ['mkfs.btrfs', '-q', '-f'], '')
    if (place === null) return t.skip('this machine makes no btrfs')
    assert.throws(() => renewsWhenFull(place), /ENOSPC.*make room/)
  })

  it('is renewed on an overlay', t => {
    const { directory } = disk(t, 'size=256k')
    const [lower, upper, work, place] = ['lower', 'upper', 'work', 'place'].map(name => join(directory, name))
    for (const one of [lower, upper, work, place]) mkdirSync(one as string)
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
    const mounted = spawnSync('mount', ['-t', 'overlay', '-o', options, 'watchbill-test', place as string])
    if (mounted.status !== 0) return t.skip('this machine makes no overlay')
    t.after(() => spawnSync('umount', ['--lazy', place as string]))
    renewsWhenFull(place as string)
  })

  it('is renewed on a tmpfs', t => renewsWhenFull(disk(t, 'size=256k').directory))
})
