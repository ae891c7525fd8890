/**
 * The mutants: lib with one rule of safety broken on purpose, each named by the broken rule. The model must catch each
 * of them: a rule that can be broken unnoticed is not tested.
 */
import type fc from 'fast-check'
import { type Action, actionsInOrder, actionsOf, type Kind } from './actions.ts'
import type { Mutation } from './load.ts'
import type { Calm, Per } from './participant.ts'

export interface Mutant extends Mutation {
  /** A seed with which the model catches it soon. */
  readonly seed: number
  /** The faults with which the model catches it. */
  readonly faults: readonly Kind[]
  /** The faults must come in this order, each on its host. */
  readonly hosts?: readonly number[]
  /** `instance`: one process for all partitions of an instance. */
  readonly per?: Per
  /** The mutant only stops processes that should go on. */
  readonly stops?: true
  readonly calm?: Calm
  /** A story that is tried first: it needs moments that come together seldom. */
  readonly example?: readonly [options: object, actions: readonly Action[]]
  /** The mutant only waits for an instance that is drained or leaves. */
  readonly waits?: true
}

export function actionsFor({ faults, hosts }: Mutant): fc.Arbitrary<Action[]> {
  return hosts ? actionsInOrder(faults.map((kind, at) => [kind, hosts[at] ?? 0])) : actionsOf(faults)
}

export const mutants: readonly Mutant[] = [
  {
    name: 'a machine counts as off although nobody confirms it',
    file: 'power/power.ts',
    edits: [['if (why !== null) return why\n  return (await nodeState', 'return (await nodeState']],
    seed: 1,
    faults: ['cut and powered off'],
    example: [
      { ...{ seed: 1, hosts: 2, partitions: ['0', '1'] }, terms: { lease: 10_000, grace: 3000, interval: 2000 } },
      [{ do: 'cut and powered off', host: 0, partition: 0, after: 0, for: 40_000, how: 2, nth: 0 }],
    ],
  },
  {
    name: 'a lock that changed while a machine was powered off is marked clean',
    file: 'power/mark.ts',
    edits: [["{ Verb: 'check-index', Key, Index: lock.index } as const", "{ Verb: 'get-tree', Key } as const"]],
    seed: 1,
    faults: ['cut and powered off', 'cut and session destroyed'],
    example: [
      {
        ...{ seed: 1, hosts: 3, partitions: ['0', '1', 'a/b', '%2E'] },
        terms: { lease: 4000, grace: 1000, interval: 1000 },
      },
      [
        { do: 'cut and powered off', host: 0, partition: 0, after: 0, for: 40_000, how: 0, nth: 11_500 },
        { do: 'cut and session destroyed', host: 1, partition: 0, after: 19_300, for: 40_000 },
      ],
    ],
  },
  {
    name: 'every lock counts as one whose process goes on while cut off',
    file: 'state/local.ts',
    edits: [['...(whenIsolated && { whenIsolated }) }', "whenIsolated: 'keep' }"]],
    seed: 3,
    faults: ['cut'],
  },
  {
    name: 'W shortened to L',
    file: 'keys/lock.ts',
    edits: [['Math.min(lease + grace + margin, longestWait)', 'Math.min(lease, longestWait)']],
    seed: 11,
    faults: ['cut and session destroyed'],
  },
  {
    name: 'check-index left out',
    file: 'act/claim.ts',
    edits: [[": { Verb: 'check-index', Key, Index: index },", ": { Verb: 'get-tree', Key: 'nothing' },"]],
    seed: 2,
    faults: ['drained', 'write held back', 'drain over', 'drained', 'cut and session destroyed'],
    hosts: [0, 0, 0, 0, 1],
  },
  {
    name: 'a lock is given back before its process is gone',
    file: 'process/shepherd/stop.ts',
    edits: [
      ['const quiet = left.filter(isQuiet)', 'const quiet = left'],
      ['swept.has(stop) && isGone(stop)', 'true'],
      ['      sweep(quiet, swept)\n', ''],
    ],
    seed: 1,
    faults: ['drained', 'drain over'],
  },
  {
    name: 'a lock is given back as clean although its facts were removed during the stop',
    file: 'act/give-back.ts',
    edits: [['(existsSync(files.releasing) && (!marked || existsSync(files.mark)))', 'true']],
    seed: 1,
    faults: ['drained', 'drain over', 'epoch raised', 'state directory removed'],
    example: [
      {
        ...{ seed: 1742554088, hosts: 2, partitions: ['0', '1', 'a/b', '%2E'] },
        terms: { lease: 7000, grace: 2000, interval: 2000 },
      },
      [
        { do: 'drained', host: 0, partition: 0, after: 2561 },
        { do: 'epoch raised', host: 0, partition: 0, after: 168 },
        { do: 'drain over', host: 0, partition: 0, after: 13 },
        { do: 'state directory removed', host: 1, partition: 0, after: 213 },
        { do: 'state directory removed', host: 0, partition: 0, after: 9 },
        { do: 'drain over', host: 0, partition: 0, after: 0 },
      ],
    ],
  },
  {
    name: 'lease counted from the end of the read',
    file: 'act/renew.ts',
    edits: [['extendLease(files, t0, bootClock())', 'extendLease(files, bootClock(), bootClock())']],
    seed: 1,
    faults: ['lost while a read is answered, then cut'],
  },
  {
    name: 'two copies of a lease that differ are believed',
    file: 'state/twice.ts',
    edits: [["const isWhole = copy === line && rest === ''", "const isWhole = rest === ''"]],
    seed: 1,
    faults: ['lease torn', 'shepherd stopped', 'cut and session destroyed'],
  },
  {
    name: 'a lease takes a new block with each renewal',
    file: 'state/twice.ts',
    edits: [['  if (overwrite(file, text, size => size === text.length)) return\n', '']],
    seed: 1,
    faults: ['disk full'],
    stops: true,
  },
  {
    name: 'lease counted from the end of the acquisition',
    file: 'act/claim.ts',
    edits: [['from: bootClock() + clockStep, own: begun', 'from: bootClock() + clockStep, own: bootClock()']],
    seed: 1,
    faults: ['drained', 'lost while a write is answered, then cut', 'drain over'],
    hosts: [0, 0, 0],
  },
  {
    name: 'an empty answer taken for an empty set',
    file: 'consul/kv.ts',
    edits: [
      [
        'if (answer.index === null) throw new Temporary(`cannot list',
        'if (answer.index === null) return []; if (answer.status === 1) throw new Temporary(`cannot list',
      ],
    ],
    seed: 5,
    faults: ['answer garbled'],
    stops: true,
  },
  {
    name: 'a pid signalled without its start time',
    file: 'machine/identity.ts',
    edits: [['stat.start !== process.start || ', '']],
    seed: 9,
    faults: ['shepherd killed', 'strangers come', 'drained', 'drain over'],
  },
  {
    name: 'a lost lock keeps its lease',
    file: 'act/renew.ts',
    edits: [
      ['writePartitionLeases(over.filter(isStill).flatMap(({ id }) => pinned(files.partition(id), before, t0)))', ''],
    ],
    seed: 6,
    faults: ['session destroyed', 'lock deleted', 'cut'],
  },
  {
    name: 'a lock found in its own session is assumed',
    file: 'plan/plan.ts',
    edits: [
      ["if (!ours) return { do: 'disown', partition: id, index, next: nextHolder(snapshot, assignment, id) }", ''],
    ],
    seed: 6,
    faults: ['backup made', 'drained', 'drain over', 'backup restored'],
  },
  {
    name: 'the wait goes on although the lock was taken meanwhile',
    file: 'look/free.ts',
    edits: [['known?.index === index ? known', 'known ? known']],
    seed: 8,
    faults: ['session destroyed', 'cut and session destroyed'],
  },
  {
    name: 'a lock value written without a lock is believed',
    file: 'keys/lock.ts',
    edits: [['entry.lockIndex >= 1 || entry.createIndex === entry.modifyIndex', 'true']],
    seed: 2,
    faults: ['lock overwritten as clean', 'cut and session destroyed'],
  },
  {
    name: 'the locks of a lost partition set are created again as clean',
    file: 'act/define.ts',
    edits: [['!(await othersAtWork(run, snapshot))', 'true']],
    seed: 4,
    faults: ['everything wiped', 'state directory removed'],
  },
  {
    name: 'the outcome of a claim is not written down before it is sent',
    file: 'act/claim.ts',
    edits: [['  writeFact(files.acquisition, acquisition)\n', '']],
    seed: 1,
    faults: ['answer lost', 'drained'],
  },
  {
    name: 'the guard leaves the processes of a dead shepherd alone',
    file: 'guard/guard.ts',
    edits: [['  killWhatWouldOutlive(here.files, unrenewed, nextTick(interval))\n', '']],
    seed: 4,
    faults: ['shepherd stopped', 'shepherd killed', 'cut'],
  },
  {
    name: 'a stopped clock is neither ended nor counted like stopped shepherds',
    file: 'state/clock.ts',
    edits: [
      [
        "  if (living.some(({ state }) => state === 'stopped')) return of('stopped', Number(tick), Number(lease))\n",
        '',
      ],
      ["signal(process, 'SIGKILL')\n", 'void [process, signal]\n'],
      ['if (existsSync(files.promise)) attempt', 'if (false) attempt'],
      ['fewestShepherds = 3', 'fewestShepherds = 1'], // few instances of the model have three
    ],
    seed: 1,
    faults: ['clock stopped', 'cut and session destroyed'],
    hosts: [0, 0],
  },
  {
    name: 'a clock that may hang is left to end the last lease',
    file: 'guard/tend-clock.ts',
    edits: [
      ['isDue || isUnfit(', 'isUnfit('],
      ['>= fewestShepherds', '>= 1 + 0 * fewestShepherds'],
    ],
    seed: 1,
    faults: ['clock hung', 'cut and session destroyed'],
    hosts: [0, 0],
  },
  {
    name: 'giving a lock back frees an acquisition made since',
    file: 'act/give-back.ts',
    edits: [["{ Verb: 'check-index', Key, Index: ending.index }", "{ Verb: 'get-tree', Key: 'nothing' }"]],
    seed: 6,
    faults: ['write held back', 'drained', 'drain over'],
    hosts: [0, 0, 0],
  },
  {
    name: 'the guard kills nothing while Consul answers',
    file: 'guard/guard.ts',
    edits: [
      [
        '  killWhatWouldOutlive(here.files, unrenewed, nextTick(interval))\n',
        "  if (typeof renewal === 'string') killWhatWouldOutlive(here.files, unrenewed, nextTick(interval))\n",
      ],
    ],
    seed: 1,
    faults: ['shepherd stopped', 'write held back', 'session destroyed'],
    hosts: [0, 0, 0],
  },
  {
    name: 'an instance that survived a wipe counts as new',
    file: 'look/others-at-work.ts',
    edits: [['  if (others.some(({ holds }) => holds)) return true\n', '']],
    seed: 5,
    faults: ['everything wiped', 'state directory removed'],
    hosts: [0, 1],
  },
  {
    name: 'a lock is given back before the worker has confirmed',
    file: 'process/worker/stop.ts',
    edits: [['const gone = left.filter(({ files }) => !existsSync(files.handed))', 'const gone = left']],
    seed: 1,
    faults: ['drained', 'drain over'],
    per: 'instance',
  },
  {
    name: 'a worker that does not confirm a stop goes on',
    file: 'process/worker/stop.ts',
    edits: [['bootClock() - begun >= grace', 'false']],
    seed: 1,
    faults: ['drained', 'drain over'],
    per: 'instance',
  },
  {
    name: 'the worker outlives the lease of a partition',
    file: 'state/worker-lease.ts',
    edits: [['shortest(worker, [partitionLease(worker), ...leases])', 'shortest(worker, [partitionLease(worker)])']],
    seed: 1,
    faults: ['session destroyed', 'lock deleted', 'cut'],
    per: 'instance',
  },
  {
    name: 'a definition that removes partitions takes effect although nobody applied it',
    file: 'act/proposal.ts',
    edits: [['if (proposal?.applied) {', 'if (proposal) {']],
    seed: 1,
    faults: ['definition shrunk', 'drained', 'drain over'],
  },
  {
    name: 'a confirmation that nobody asked for counts',
    file: 'process/worker/handed.ts',
    edits: [
      ['!handed || kept.has(own)) return false', '!handed) return false'],
      ['!existsSync(files.asked) || ', ''],
    ],
    seed: 1,
    faults: ['drained', 'drain over', 'partition added', 'partition removed'],
    per: 'instance',
  },
  {
    name: 'a confirmation from before the request counts',
    file: 'process/worker/handed.ts',
    edits: [
      ['  collect(worker, untold(worker)) // answers to earlier requests\n', ''],
      ['  collect(worker, new Set(lines))\n', ''],
    ],
    seed: 4,
    faults: ['drained', 'drain over', 'partition added', 'partition removed'],
    per: 'instance',
  },
  {
    name: 'a confirmation of an earlier hand-over counts',
    file: 'state/worker-confirmations.ts',
    edits: [
      ['id === handed.id && token === handed.token && (since === null || since === handed.since)', 'id === handed.id'],
    ],
    seed: 24,
    faults: ['drained', 'drain over', 'partition added', 'partition removed'],
    per: 'instance',
  },
  {
    name: 'a live worker counts as gone',
    file: 'process/worker/stop.ts',
    edits: [['if (now !== null) return now !== carrier', 'if (now !== null) return true']],
    seed: 1,
    faults: ['drained', 'drain over'],
    per: 'instance',
  },
  {
    name: 'a partition gets a process of its own although the worker may have it',
    file: 'process/start.ts',
    edits: [['  if (handed.length > 0) {', '  if (handed.length < 0) {']],
    seed: 1,
    faults: ['terms changed', 'shepherd killed', 'drained', 'drain over'],
    per: 'instance',
  },
  {
    name: 'a lease ahead of the clock is waited for',
    file: 'plan/plan.ts',
    edits: [['local?.aheadOfClock === true', 'false']],
    seed: 1,
    faults: ['clock begins anew'],
  },
  {
    name: 'a lock that reappears without a hand-over is clean',
    file: 'look/seen-held.ts',
    edits: [['return lock !== undefined && lock.session', 'return lock === null && lock.session']],
    seed: 1,
    faults: ['lock made anew as clean', 'cut and session destroyed'],
  },
  {
    name: 'the terms of a lost holder are forgotten',
    file: 'keys/terms.ts',
    edits: [['longest([before, now])', 'now']],
    seed: 1,
    faults: ['terms changed', 'drained', 'drain over', 'cut and session destroyed', 'everything wiped'],
    hosts: [0, 0, 0, 0, 0],
  },
  {
    name: 'the epoch is what the settings say',
    file: 'look/read-cluster.ts',
    edits: [
      ['Math.max(highest, epoch)', 'highest'],
      ['fallenEpoch: fallen', 'fallenEpoch: null'],
    ],
    seed: 1,
    faults: ['epoch raised', 'drained', 'drain over', 'state directory removed', 'drained', 'drain over'],
    hosts: [0, 0, 0, 0, 1, 1],
  },
  {
    name: 'a change of the cluster is missed by the test that skips a look',
    file: 'look/unchanged.ts',
    edits: [[".join(' ') === line", ".join(' ') !== line + '!'"]],
    seed: 5,
    faults: ['program fails', 'program fails', 'program fails', 'partition added'],
    hosts: [0, 1, 2, 0],
  },
  {
    name: 'a frozen service lets others take what was lost',
    file: 'roster/calm/frozen.ts',
    edits: [
      ['else if (!lock?.session) without.set(id, frozenLost)', 'else if (lock === null) without.set(id, frozenLost)'],
    ],
    seed: 1,
    faults: ['frozen', 'cut and session destroyed'],
  },
  {
    name: 'a freeze that began after the look counts for nothing',
    file: 'act/claim.ts',
    edits: [['...(items.some(({ takeover }) => takeover) ?', '...(items.length < 0 ?']],
    seed: 1,
    faults: ['cut and session destroyed', 'write held back', 'write held back', 'frozen'],
    hosts: [0, 1, 2, 0],
  },
  {
    name: 'the set of a frozen service shrinks',
    file: 'plan/counting.ts',
    edits: [['done || (frozen && number < had)', 'done']],
    seed: 1,
    faults: ['frozen', 'scaled'],
  },
  {
    name: 'an entry of a plan counts although its instance does not take part',
    file: 'roster/follow.ts',
    edits: [['if (!present.has(instance)) return', "if (instance === '') return"]],
    seed: 1,
    faults: ['plan put in force'],
    calm: { assign: { command: ['./assign'] } },
  },
  {
    name: 'a plan that nobody can read is never withdrawn',
    file: 'plan/withdrawing.ts',
    edits: [["if (problem !== null) return { do: 'withdrawPlan', why: problem }", 'if (problem !== null) return null']],
    seed: 1,
    faults: ['plan put in force', 'drained', 'left'],
    calm: { assign: { command: ['./assign'] } },
  },
  {
    name: 'what an instance held does not wait for it',
    file: 'keys/away.ts',
    edits: [['last !== undefined && last.waitMs > 0 ? last : null', 'null']],
    seed: 1,
    faults: ['cut', 'host rebooted'],
    calm: { wait: '60s' },
  },
  {
    name: 'what an instance held waits for it although it leaves',
    file: 'keys/away.ts',
    edits: [[' || fieldsIn(value).leaving === true', '']],
    seed: 1,
    faults: ['cut while it leaves'],
    hosts: [0],
    waits: true,
  },
  {
    name: 'what an instance held waits for it although it is drained',
    file: 'keys/away.ts',
    edits: [['waitMs: isDrained ? 0 : (member.calm?.waitMs ?? 0)', 'waitMs: member.calm?.waitMs ?? 0']],
    seed: 1,
    faults: ['cut', 'drained'],
    hosts: [0, 0],
    waits: true,
  },
  {
    name: 'a partition that was in the set before comes back with a clean lock',
    file: 'keys/count-set.ts',
    edits: [['const isFresh = (id: string) => Number(id) >= count.had', 'const isFresh = (_: string) => true']],
    seed: 1,
    faults: ['scaled', 'set deleted', 'scaled'],
    hosts: [0, 0, 0],
  },
  {
    name: 'the version in a lock is rewritten while a process runs, instead of a restart',
    file: 'plan/plan.ts',
    edits: [
      [
        "!cannotStart)) return { do: 'restart', partition: id, request }\n",
        "!cannotStart)) return { do: 'reclaim', partition: id, index, held: true, anew: meant }\n",
      ],
    ],
    seed: 1,
    faults: ['rolled'],
    calm: { versions: { pattern: '^\\d+\\.\\d+$', first: '1.0' } },
  },
  {
    name: 'a process is started in another version than its lock says',
    file: 'act/reclaim.ts',
    edits: [['if (anew) writeRan(run.files.partition(partition), anew)', 'void anew']],
    seed: 1,
    faults: ['rolled'],
    calm: { versions: { pattern: '^\\d+\\.\\d+$', first: '1.0' } },
  },
  {
    name: 'a handler that died forgets in which version it took a lock',
    file: 'act/reclaim.ts',
    edits: [['  if (value) writeRan(run.files.partition(partition), value)\n', '']],
    seed: 1,
    faults: ['program fails', 'rolled', 'rolled'],
    hosts: [0, 0, 0],
    calm: { versions: { pattern: '^\\d+\\.\\d+$', first: '1.0' } },
  },
  {
    name: 'a rewritten lock has the terms of the definition, not those of its lease',
    file: 'act/reclaim.ts',
    edits: [
      [
        '...(local.terms as Terms), ...ran }',
        'lease: snapshot.definition.leaseMs, grace: snapshot.definition.stop.graceMs, ...ran }',
      ],
    ],
    seed: 1,
    faults: ['terms changed', 'rolled', 'cut and session destroyed'],
    calm: { versions: { pattern: '^\\d+\\.\\d+$', first: '1.0' } },
  },
]
