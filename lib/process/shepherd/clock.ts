/** Starts the clock of an instance: see clock.sh. */
import { bootClock } from '../../base/clock.ts'
import { launchAll } from '../../machine/launch.ts'
import { tend } from '../../state/clock.ts'
import { makeDirectory, readFact, writeFact } from '../../state/facts.ts'
import type { InstanceFiles } from '../../state/paths.ts'
import { joinFiles, readHome } from '../containment/groups.ts'

const clock = `${import.meta.dirname}/clock.sh`

/**
 * The clock joins the shepherds' control group, so that it outlives the agent as they do. Where that is was written down when
 * they were started: the guard has no time to find it out.
 * @param lease the shortest of the partitions that run, ms
 */
export async function startClock(files: InstanceFiles, lease: number): Promise<void> {
  const { directory, pipe, home } = files.clock
  makeDirectory(directory)
  writeFact(home, readFact(files.groups) ?? '')
  tend(files.clock, bootClock())
  const join = await joinFiles(readHome(files) ?? { directory: null, why: '' })
  const environment = { PATH: process.env.PATH ?? '' }
  await launchAll(clock, '/', [{ directory, environment, args: [directory, String(lease)] }], { join, clock: pipe })
}
