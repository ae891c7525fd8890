import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bootId } from '../../lib/base/clock.ts'
import { enterState } from '../../lib/state/boot.ts'
import { makeDirectory, readFact, writeFact } from '../../lib/state/facts.ts'
import { identityOf, localInstances } from '../../lib/state/identity.ts'
import { type InstanceFiles, instanceFiles, localPartitions } from '../../lib/state/paths.ts'
import { me, other } from '../fixtures/cluster.ts'
import { directory, partitionIn, stateOf } from '../fixtures/state.ts'

describe('the files of an instance', () => {
  it('all stand below its own directory, whatever its name and the ids hold', () => {
    const files = instanceFiles('/state', '../n x:svc')
    assert.equal(files.directory, '/state/%2E.%2Fn%20x:svc')
    assert.equal(files.partition('../lease').lease, '/state/%2E.%2Fn%20x:svc/partition/%2E.%2Flease/lease')
    assert.equal(files.seen('on-service'), '/state/%2E.%2Fn%20x:svc/seen.on-service')
  })

  it('are one for each fact', () => {
    for (const files of [instanceFiles('/s', me), instanceFiles('/s', me).partition('0')]) {
      const paths = Object.values(files).filter(file => typeof file === 'string')
      assert.equal(new Set(paths).size, paths.length)
    }
  })

  it('tell its partitions, and leave out what is none', t => {
    const files = stateOf(t)
    for (const id of ['0', 'a/b', 'ü']) partitionIn(files, id)
    for (const foreign of ['a b', '.hidden', '%2e', 'x%41']) mkdirSync(join(files.partitions, foreign))
    assert.deepEqual(localPartitions(files).sort(), ['0', 'a/b', 'ü'])
  })

  it('tell no partitions when there is no directory', t => {
    assert.deepEqual(localPartitions(instanceFiles(directory(t), me)), [])
  })

  it('tell the instances that were entered here', t => {
    const root = directory(t)
    for (const instance of [me, other]) enterState(instanceFiles(root, instance), instance, 'svc')
    mkdirSync(join(root, 'never entered'))
    writeFileSync(join(root, 'file'), '')
    assert.deepEqual(localInstances(root).sort(), [me, other])
  })
})

/** A state directory as an instance of this boot leaves it. */
function used(t: TestContext): InstanceFiles {
  const files = stateOf(t)
  enterState(files, me, 'svc')
  for (const fact of [
    files.session,
    files.lease,
    files.free,
    files.due,
    files.looked,
    files.left,
    files.settings,
    files.defined,
  ])
    writeFact(fact, 'x')
  const partition = partitionIn(files, '0')
  for (const fact of [
    partition.acquisition,
    partition.index,
    partition.lease,
    partition.shepherd,
    partition.process,
    partition.terms,
  ])
    writeFact(fact, 'x')
  makeDirectory(files.clock.directory)
  for (const fact of [files.clock.promise, files.clock.launched]) writeFact(fact, 'x')
  return files
}

const there = (files: readonly string[]) => files.map(existsSync)

describe('entering a state directory', () => {
  it('makes it, for this user alone, and writes down whose it is', t => {
    const files = instanceFiles(directory(t), me)
    assert.equal(identityOf(files), null)
    enterState(files, me, 'svc')
    assert.deepEqual(identityOf(files), { instance: me, service: 'svc', boot: bootId() })
    assert.equal(statSync(files.directory).mode & 0o777, 0o700)
    assert.ok(existsSync(files.partitions))
  })

  it('changes nothing the second time', t => {
    const files = used(t)
    const before = readdirSync(files.directory)
    enterState(files, me, 'svc')
    assert.deepEqual(readdirSync(files.directory), before)
    assert.equal(readFact(files.session), 'x')
    assert.equal(readFact(files.partition('0').lease), 'x')
  })

  for (const [what, identity] of [
    ['of another boot', `${me}\nsvc\nanother-boot`],
    ['whose identity is lost', null],
    ['whose identity is half written', me],
    ['whose identity is empty', ''],
  ] as const) {
    it(`${what} drops what only that boot knew, and keeps the rest`, t => {
      const files = used(t)
      if (identity === null) writeFact(files.identity, '')
      else writeFact(files.identity, identity)
      enterState(files, me, 'svc')
      const { session, lease, free, due, looked, left, settings, defined } = files
      const partition = files.partition('0')
      assert.deepEqual(there([session, lease, free, due, looked, left]), Array(6).fill(false))
      assert.deepEqual(there([partition.lease, partition.shepherd, partition.process]), [false, false, false])
      assert.deepEqual(there([files.clock.promise, files.clock.launched]), [false, false])
      assert.deepEqual(
        there([settings, defined, partition.acquisition, partition.index, partition.terms]),
        Array(5).fill(true),
      )
      assert.equal(identityOf(files)?.boot, bootId())
    })
  }

  it("puts another instance's aside, untouched, and begins anew", t => {
    const files = used(t)
    writeFact(files.identity, `${other}\nsvc\n${bootId()}`)
    enterState(files, me, 'svc')
    assert.equal(readFact(files.session), null)
    assert.deepEqual(localPartitions(files), [])
    const root = join(files.directory, '..')
    const aside = readdirSync(root).filter(name => name.includes('.of-another-'))
    assert.equal(aside.length, 1)
    assert.equal(readFact(join(root, aside[0] ?? '', 'session')), 'x')
    assert.deepEqual(localInstances(root), [me])
  })

  it('is put aside when the service has another name: its session must not hold the old locks on', t => {
    const files = used(t)
    enterState(files, me, 'renamed')
    assert.equal(readFact(files.session), null)
    assert.equal(identityOf(files)?.service, 'renamed')
  })

  it('that cannot be made is a failure', t => {
    const root = directory(t)
    writeFileSync(join(root, 'file'), '')
    assert.throws(() => enterState(instanceFiles(join(root, 'file'), me), me, 'svc'), { name: 'Temporary' })
    assert.throws(() => makeDirectory(join(root, 'file')), { name: 'Temporary' })
  })
})
