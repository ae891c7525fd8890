import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  couldNotStart,
  hasNoCommand,
  hasProcess,
  isCrashLooping,
  isFailing,
  isFinished,
  isOrdinary,
  isRunning,
  isStarting,
  isUnswept,
} from '../../lib/state/shepherd-status.ts'

const questions = {
  isStarting,
  isRunning,
  hasProcess,
  isCrashLooping,
  isFinished,
  hasNoCommand,
  couldNotStart,
  isFailing,
  isOrdinary,
  isUnswept,
}

const answers: [sentence: string | null, yes: (keyof typeof questions)[]][] = [
  ['starting', ['isStarting', 'isOrdinary']],
  ['running', ['isRunning', 'hasProcess', 'isOrdinary']],
  ['backing off: exit 1', []],
  ['crash-looping since 3: exit 1', ['hasProcess', 'isCrashLooping', 'isFailing']],
  ['finished: exit 0', ['isFinished']],
  ['stopping: its lease is over', ['isOrdinary']],
  ['stopped: its lease is over', ['isOrdinary']],
  ['stopped, not swept', ['isOrdinary', 'isUnswept']],
  ['cannot start: ENOENT', ['couldNotStart', 'isFailing']],
  ['no command: its document names none', ['hasNoCommand', 'couldNotStart', 'isFailing']],
  ['not here: its lock was given back', ['isOrdinary']],
  ['failing: the database is away', ['isFailing']],
  ['runninglate', []],
  ['', []],
  [null, []],
]

for (const [sentence, yes] of answers) {
  test(`the shepherd says ${JSON.stringify(sentence)}`, () => {
    const found = Object.entries(questions).flatMap(([name, ask]) => (ask(sentence) ? [name] : []))
    assert.deepEqual(found.toSorted(), yes.toSorted())
  })
}
