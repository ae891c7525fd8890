/** What is shown while it runs: who has how many links, by the server's record. */
import type { LinkServer } from './server.ts'

export interface View {
  /** Something happens. */
  readonly say: (line: string) => void
  readonly stop: () => void
}

const every = 250

/** On a terminal the last line is kept up to date; elsewhere there is a new one whenever something changed. */
export function view(out: NodeJS.WriteStream, server: LinkServer, links: number): View {
  let last = ''
  const show = (line: string) => out.write(out.isTTY ? `\r\u001b[K${line}\n${last}` : `${line}\n`)
  const look = () => {
    const now = `   ${shares(server, links)}`
    if (now === last) return
    last = now
    out.write(out.isTTY ? `\r\u001b[K${last}` : `${clock()}${last}\n`)
  }
  const say = (line: string) => {
    look() // what was before it
    show(`${clock()}${line}`)
  }
  const timer = setInterval(look, every)
  const stop = () => {
    clearInterval(timer)
    if (out.isTTY && last !== '') out.write('\n')
    last = ''
  }
  return { say, stop }
}

/** "a1 334, a2 333, s1 333: 1000 of 1000 links are open, 0 of them twice" */
function shares(server: LinkServer, links: number): string {
  const open = server.open()
  const byInstance = Map.groupBy(open, ({ instance }) => instance)
  const loads = Array.from(byInstance, ([instance, { length }]) => `${instance.split(':')[0]} ${length}`).sort()
  const different = new Set(open.map(({ link }) => link)).size
  return `${loads.join(', ') || 'nobody'}: ${different} of ${links} links are open, ${open.length - different} of them twice`
}

const begun = performance.now()

function clock(): string {
  return `${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  `
}
