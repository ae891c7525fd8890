/** Starts the clock of an instance: see clock.sh. */
import { launchAll } from '../../machine/launch.ts'
import type { InstanceFiles } from '../../state/paths.ts'
import { joinFiles, readHome } from '../containment/groups.ts'

const clock = `${import.meta.dirname}/clock.sh`

/**
 * In the group of the shepherds, so that it outlives the agent as they do: where that was is known since they were started,
 * for the guard has no time to find it out.
 * @param lease the shortest of the partitions that run, ms
 */
export async function startClock(files: InstanceFiles, lease: number): Promise<void> {
  const { directory, pipe } = files.clock
  const join = await joinFiles(readHome(files) ?? { directory: null, why: '' })
  const environment = { PATH: process.env.PATH ?? '' }
  await launchAll(clock, '/', [{ directory, environment, args: [directory, String(lease)] }], { join, clock: pipe })
}
