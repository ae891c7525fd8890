/** Which partitions have a check that is not passing, in one file, so that the guard need not read the state of each check. */
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Watched } from './watched.ts'

/** Writes it down when it has changed. A disk that takes nothing must not end the round. */
export function keepUnwell({ unwell }: Pick<InstanceFiles, 'unwell'>, all: readonly Watched[]): void {
  const ids = all.flatMap(({ acquisition, state }) => (state.status === 'passing' ? [] : [acquisition]))
  const text = [...new Set(ids)].sort().join('\n')
  try {
    if ((readFact(unwell) ?? '') === text) return
    if (text === '') removeFact(unwell)
    else writeFact(unwell, text)
  } catch {
    // The next round tries again.
  }
}

/** Their acquisitions. */
export function readUnwell({ unwell }: Pick<InstanceFiles, 'unwell'>): ReadonlySet<string> {
  return new Set(readFact(unwell)?.split('\n'))
}
