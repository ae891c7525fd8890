/** The boot clock (it also counts while the machine sleeps), the boot's identity, and durations. */
import { openSync, readFileSync, readSync } from 'node:fs'

const uptime = '/proc/uptime'
let kept: number | null = null

/** Milliseconds since boot, from /proc/uptime (10 ms steps), the clock that the shepherd reads too. */
export function bootClock(): number {
  const text = kept === null ? readFileSync(uptime, 'utf8') : readFrom(kept)
  return Math.round(Number.parseFloat(text) * 1000)
}

/**
 * From here on the clock reads a file that is kept open, so it also works when no more files can be opened (EMFILE).
 */
export function keepClock(): void {
  kept ??= openSync(uptime, 'r')
}

function readFrom(file: number): string {
  const buffer = Buffer.alloc(64)
  return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0))
}

/** Milliseconds on a clock that nobody sets, to measure how long something takes. performance.now() would load a module first, 0.7 ms. */
export function steadyClock(): number {
  const [whole, nanoseconds] = process.hrtime()
  return whole * 1000 + nanoseconds / 1e6
}

/** Milliseconds since this process started. */
export function sinceStart(): number {
  return process.uptime() * 1000
}

/** The kernel's random id of this boot. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** A random UUID from the kernel. Loading node:crypto for it would add a third to Node's start. */
export function randomId(): string {
  return readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim()
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds of a duration such as "500ms", "3s", "1.5m", "2h"; null when the text is not a duration. */
export function duration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  const factor = match && units[match[2] as string]
  return match && factor ? Math.round(Number(match[1]) * factor) : null
}

/** A duration for people: "0.4 s", "14 s", "3 min". */
export function seconds(ms: number): string {
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} min`
  return `${ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1000)} s`
}

/** Whether this is a time that a `Date` can show in four digits of a year: epoch ms, of the years 1970 to 9999. */
export function isMoment(ms: unknown): ms is number {
  return Number.isSafeInteger(ms) && (ms as number) >= 0 && (ms as number) <= 253_402_300_799_999
}
