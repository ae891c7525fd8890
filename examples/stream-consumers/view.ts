/** The lines that are printed while it runs: totals every two seconds, and whose streams became whose. */
import { type Look, lookAtStreams, nodeOf, shares } from './look.ts'
import type { Redis } from './redis.ts'
import { total } from './verdict.ts'

export interface View {
  /** The last look; empty before the first. */
  readonly looks: () => readonly Look[]
  readonly stop: () => void
}

const every = 200
const totalsEvery = 2000

/** Looks at the streams again and again, and says what it sees. */
export function view(redis: Redis): View {
  let looks: readonly Look[] = []
  let timer: NodeJS.Timeout
  let stopped = false
  let due = 0
  const show = (now: readonly Look[]) => {
    for (const line of changes(looks, now)) say(line)
    if (performance.now() >= due) {
      say(totals(now))
      due = performance.now() + totalsEvery
    }
    looks = now
  }
  const look = async () => {
    const now = await lookAtStreams(redis).catch(() => null) // Redis was stopped before us
    if (stopped || !now) return
    show(now)
    timer = setTimeout(look, every)
  }
  timer = setTimeout(look, 0)
  const stop = () => {
    stopped = true
    clearTimeout(timer)
  }
  return { looks: () => looks, stop }
}

const begun = performance.now()

/** One line, with the seconds since the beginning. */
export function say(line: string): void {
  process.stdout.write(`${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${line}\n`)
}

function totals(looks: readonly Look[]): string {
  const [produced, counted] = [total(looks, 'produced'), total(looks, 'counted')]
  return `   ${produced} produced, ${counted} counted, ${produced - counted} waiting; last had by ${shares(looks)}`
}

/** "words:3, words:7: s2 → s1", one line for each pair of nodes. */
function changes(before: readonly Look[], now: readonly Look[]): string[] {
  const moved = now.filter((look, i) => before[i] !== undefined && nodeOf(look) !== nodeOf(before[i]))
  const byWay = Map.groupBy(moved, look => `${nodeOf(before[now.indexOf(look)] as Look)} → ${nodeOf(look)}`)
  return Array.from(byWay, ([way, looks]) => `${way}: ${looks.map(({ stream }) => stream).join(', ')}`)
}
