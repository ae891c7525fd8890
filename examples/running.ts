/** What the examples share that run a story to its end: whatever comes of it, even Ctrl-C, nothing is left running. */
import type { Cluster } from '../test/lab/cluster.ts'

export interface Running {
  /** Waits for something to be up, and has it taken down at the end, even if the end comes while it is still coming up. */
  up<T>(coming: Promise<T>, down: (it: T) => unknown): Promise<T>
  /** Has this done at the end, before what was to be done earlier. */
  atTheEnd(step: () => unknown): void
  /** Of what failed, the lab is kept to be looked at. */
  close(cluster: Cluster): Promise<void>
  /** Rejects at Ctrl-C. */
  readonly interrupted: Promise<never>
}

class Interrupted extends Error {}

/**
 * Runs a story, and ends the process with the code that it gives; 1 when it throws, 130 when it is interrupted.
 * @param say one line, for people
 */
export async function toTheEnd(story: (running: Running) => Promise<number>, say: (line: string) => void) {
  const interrupted = new Promise<never>((_, reject) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => reject(new Interrupted(name)))
  })
  const undo: (() => unknown)[] = []
  let code = 1
  const running: Running = {
    up(coming, down) {
      undo.push(() => coming.then(down, () => {}))
      return coming
    },
    atTheEnd: step => void undo.push(step),
    close: cluster => cluster.close(code === 1 ? { keep: true } : {}),
    interrupted,
  }
  try {
    code = await Promise.race([story(running), interrupted])
  } catch (error) {
    if (error instanceof Interrupted) code = 130
    say(code === 130 ? 'interrupted: cleaning up' : String(error))
  }
  for (const step of undo.reverse()) await step()
  process.exit(code)
}

/** The agents with their pids, in words. */
export function agentsOf({ agents }: Cluster): string {
  return agents.map(({ name, pid }) => `${name} (${pid})`).join(', ')
}

/** How to look at a service from another terminal. */
export function statusCommand({ agents }: Cluster, service: string): string {
  return `handlers/watchbill.js status ${service} --http-addr ${agents[0]?.http.replace('http://', '')}`
}

/** What was wrong, if anything, and the verdict, as the last lines of a run. @param good what is so when nothing was */
export function verdictLines(faults: readonly string[], good: string, otherwise = `NOT ${good}`): string {
  const more = faults.length > 20 ? [`and ${faults.length - 20} more`] : []
  const lines = [...faults.slice(0, 20).map(fault => `fault: ${fault}`), ...more]
  return [...lines, `verdict: ${faults.length === 0 ? good : otherwise}`].join('\n')
}
