/** Draws `watchbill status --watch` in place. */
import { Permanent } from '../../base/errors.ts'
import { printable, shellWord } from '../../base/printable.ts'
import type { Consul } from '../../consul/http.ts'
import { printBytes } from '../../program/frame.ts'
import { type Terminal, terminal } from '../../program/terminal.ts'
import { type Asked, screen } from './screen.ts'
import { readStatus } from './status.ts'
import { type Seen, watchStatus } from './watch.ts'

/** @throws Permanent when stdout is no terminal */
export async function watchOnTerminal(consul: Consul, service: string, asked: Asked): Promise<void> {
  if (terminal() === null) {
    const other = `watchbill events ${shellWord(service)} --follow`
    throw new Permanent(`cannot watch: stdout is no terminal, and nothing can be drawn in place; see ${other}`)
  }
  const draw = (seen: Seen) => printBytes(Buffer.from(drawn(seen, asked, terminal() as Terminal)))
  const resized = (again: () => void) => void process.stdout.on('resize', again)
  await watchStatus(consul, service, () => readStatus(consul, service), draw, resized)
}

/** Each line up to its end, then the rest of the screen: nothing flickers. A line that is too wide is cut by the terminal. */
export function drawn({ status, marked, at, away }: Seen, asked: Asked, size: Terminal): string {
  const looked = `looked at ${at.slice(0, 19)}Z; * has just changed; Ctrl-C ends this`
  const foot = printable(away === null ? looked : `${away}; ${looked}`).slice(0, size.columns - 1)
  return `\u001b[?7l\u001b[H${screen(status, asked, size, marked, foot).join('\u001b[K\r\n')}\u001b[K\u001b[J\u001b[?7h`
}
