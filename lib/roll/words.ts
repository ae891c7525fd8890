/** A roll-out in words, for `status`, `roll --status` and logs. Pure. */
import { shellWord } from '../base/printable.ts'
import type { Roll } from '../keys/roll.ts'

/** What it is, such as "roll to 1.5", "rolling restart". */
export function nameOf({ to, only }: Pick<Roll, 'to' | 'only'>): string {
  return `${to === null ? 'rolling restart' : `roll to ${to}`}${only === null ? '' : ` of ${only}`}`
}

/** One line: what it is, how far it has come, and what it waits for. */
export function rollWords(roll: Roll): string {
  const { state, why, reached, of, steps, step, unit, skipped } = roll
  const progress = `${reached} of ${of} ${unit === 'instance' ? 'instances' : 'partitions'}`
  const which = steps.length > 1 ? `, step ${step + 1} of ${steps.length}` : ''
  const left = skipped.length > 0 ? `, ${skipped.length} skipped` : ''
  const said = why === null ? '' : `: ${why}`
  return `${nameOf(roll)}: ${words[state]}${said} (${progress}${which}${left})`
}

const words: Readonly<Record<Roll['state'], string>> = {
  preparing: 'every instance prepares',
  rolling: 'under way',
  waiting: 'waits for --proceed',
  paused: 'paused',
  stopped: 'STOPPED',
  reverting: 'goes back',
  done: 'done',
  reverted: 'went back',
}

/** What a person may do next; '' when nothing has to be done. */
export function adviceFor(service: string, { state }: Pick<Roll, 'state'>): string {
  const roll = `watchbill roll ${shellWord(service)}`
  if (state === 'waiting') return `${roll} --proceed, or --revert`
  if (state === 'paused') return `${roll} --resume, or --revert`
  return state === 'stopped' ? `${roll} --resume, --skip, or --revert` : ''
}
