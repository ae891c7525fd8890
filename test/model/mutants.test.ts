import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { directory } from '../fixtures/state.ts'
import { alive, Partition, shepherdFile, until } from '../process/partition.ts'
import { broken, loadLib, type Mutation } from './load.ts'
import { actionsFor, mutants } from './mutants.ts'
import { neverTwoOwners, nobodyIsStopped, nobodyIsWaitedFor } from './properties.ts'

/** Each mutant fails within a few runs. One that survives this many counts as missed. */
const mostRuns = 150

describe('the model catches', { concurrency: 1 }, async () => {
  const sound = await loadLib()
  for (const mutant of mutants) {
    it(mutant.name, async () => {
      const { seed, per, stops, waits, calm, faults, example } = mutant
      const examples = example === undefined ? [] : [example]
      const property = (lib: typeof sound) =>
        stops
          ? nobodyIsStopped(lib, faults, per)
          : waits
            ? nobodyIsWaitedFor(lib, actionsFor(mutant))
            : neverTwoOwners(lib, actionsFor(mutant), { per, calm })
      const tried = (lib: typeof sound, numRuns: number) =>
        fc.check<unknown>(property(lib), { seed, numRuns, examples, endOnFailure: true })
      const found = await tried(await loadLib(mutant), mostRuns)
      assert.ok(found.failed, `not within ${mostRuns} runs`)
      const without = await tried(sound, found.numRuns)
      assert.ok(!without.failed, `the unbroken lib fails too: ${without.errorInstance}`)
    })
  }
})

const deaf: Mutation = {
  name: 'shepherd ignoring the lease',
  file: 'process/shepherd/shepherd.sh',
  edits: [['  [ "$_now" -lt "$_until" ]\n', '  :\n']],
}

/** Whether a real process ends in time when its lease is not renewed. */
async function endsWithItsLease(t: TestContext, script: string): Promise<boolean> {
  const partition = new Partition(t)
  const { lease, grace } = { lease: 400, grace: 300 }
  await partition.running({ script, lease, grace, run: ['sleep', '60'] })
  const pid = partition.pid()
  try {
    await until('it to end', () => !alive(pid), 4000)
    return true
  } catch {
    return false
  }
}

describe('real processes catch', { concurrency: 1 }, () => {
  it(deaf.name, async t => {
    const mutant = join(directory(t), 'shepherd.sh')
    writeFileSync(mutant, broken(readFileSync(shepherdFile, 'utf8'), deaf))
    const [sound, ignoring] = await Promise.all([endsWithItsLease(t, shepherdFile), endsWithItsLease(t, mutant)])
    assert.deepEqual({ sound, ignoring }, { sound: true, ignoring: false })
  })
})

describe('a mutant', () => {
  it('is an error when lib does not hold its text any more, and does not count as missed', async () => {
    const stale: Mutation = { name: 'stale', file: 'plan/plan.ts', edits: [['what is not there', '']] }
    await assert.rejects(loadLib(stale), /out of date: lib\/plan\/plan.ts holds 0 of what is not there/)
    const twice: Mutation = { name: 'twice', file: 'plan/plan.ts', edits: [['readonly', '']] }
    await assert.rejects(loadLib(twice), /out of date: lib\/plan\/plan.ts holds \d+ of readonly/)
    const nowhere: Mutation = { name: 'nowhere', file: 'program/frame.ts', edits: [['a', '']] }
    await assert.rejects(loadLib(nowhere), /lib\/program\/frame.ts is not loaded/)
  })
})
