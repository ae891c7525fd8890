/** What the demo shows: a live table on a terminal, plain lines elsewhere. */

import type { Status } from '../../lib/operate/status/status.ts'
import type { Agent } from '../../test/lab/cluster.ts'
import { statusOf } from './story.ts'

export interface View {
  /** Something happens. */
  readonly say: (line: string) => void
  /** Draws what is so at the end, and nothing after that. */
  readonly stop: () => Promise<void>
}

/** @param out where to draw; @param agents those to ask, the first that answers counts */
export function view(out: NodeJS.WriteStream, agent: Agent): View {
  return out.isTTY ? table(out, agent) : lines(out, agent)
}

export function follow(look: () => Promise<Status>, show: (rows: string[]) => void): () => Promise<void> {
  let stopped = false
  let timer: NodeJS.Timeout
  const draw = async () => {
    const status = await look().catch(() => null) // nothing to see yet, or an agent that is just going
    if (status) show(rowsOf(status))
  }
  let drawn = Promise.resolve()
  const next = () => {
    drawn = draw().then(() => {
      if (!stopped) timer = setTimeout(next, 500)
    })
  }
  timer = setTimeout(next, 0)
  return async () => {
    if (stopped) return
    stopped = true
    clearTimeout(timer)
    await drawn // one that was asked before the last move must not be drawn after it
    await draw()
  }
}

function rowsOf({ instances, partitions }: Status): string[] {
  const of = (instance: string | null) => partitions.filter(one => one.instance === instance)
  const rows = instances.map(({ instance, state }) => {
    const cells = of(instance).map(({ partition, state }) => `${partition}${state === 'running' ? '' : '→'}`)
    return `${instance.padEnd(9)} ${state.padEnd(14)} ${cells.join(' ')}`
  })
  const idle = of(null).map(({ partition, state }) => `${partition} (${state})`)
  return [...rows, `nobody    ${''.padEnd(14)} ${idle.join(' ') || '-'}`]
}

function table(out: NodeJS.WriteStream, agent: Agent): View {
  let drawn = 0
  const clear = () => out.write(drawn > 0 ? `\u001b[${drawn}A\u001b[J` : '')
  let rows: string[] = []
  const draw = () => {
    out.write(rows.map(row => `  ${row}\n`).join(''))
    drawn = rows.length
  }
  const stop = follow(
    () => statusOf(agent),
    fresh => {
      clear()
      rows = fresh
      draw()
    },
  )
  const say = (line: string) => {
    clear()
    out.write(`${clock()} ${line}\n`)
    draw()
  }
  return { say, stop }
}

function lines(out: NodeJS.WriteStream, agent: Agent): View {
  let last = ''
  const stop = follow(
    () => statusOf(agent),
    rows => {
      const text = rows.map(row => row.replace(/ +/g, ' ')).join(' | ')
      if (text !== last) out.write(`${clock()}   ${text}\n`)
      last = text
    },
  )
  return { say: line => out.write(`${clock()} ${line}\n`), stop }
}

const begun = performance.now()

function clock(): string {
  return `${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s`
}
