/** Leaves out the starts that wait for their files: see `order` in the definition. Nothing waits here; the next look starts them. */
import type { Start } from '../process/shepherd/start.ts'
import { awaitsRender, beginToAwait } from '../state/renders.ts'
import type { Run } from '../state/self.ts'

export function withoutUnrendered(run: Run, starts: readonly Start[]): Start[] {
  const waiting = new Set(starts.filter(({ partition }) => awaitsRender(run.files, partition)))
  for (const { partition } of waiting) beginToAwait(run.files, partition)
  if (waiting.size > 0) run.log(`${waiting.size} starts wait until their file is rendered`)
  return starts.filter(start => !waiting.has(start))
}
