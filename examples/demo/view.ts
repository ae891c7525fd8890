/** What the demo shows: a live table on a terminal, plain lines elsewhere. */

import type { Status } from '../../lib/status.ts'
import type { Agent } from '../../test/lab/cluster.ts'
import { statusOf } from './story.ts'

export interface View {
  /** Something happens. */
  readonly say: (line: string) => void
  readonly stop: () => void
}

/** @param out where to draw; @param agents those to ask, the first that answers counts */
export function view(out: NodeJS.WriteStream, agent: Agent): View {
  return out.isTTY ? table(out, agent) : lines(out, agent)
}

function follow(agent: Agent, show: (rows: string[]) => void): () => void {
  let stopped = false
  let timer: NodeJS.Timeout
  const look = async () => {
    const status = await statusOf(agent).catch(() => null) // nothing to see yet, or an agent that is just going
    if (stopped) return
    if (status) show(rowsOf(status))
    timer = setTimeout(look, 500)
  }
  timer = setTimeout(look, 0)
  return () => {
    stopped = true
    clearTimeout(timer)
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
  const stop = follow(agent, fresh => {
    clear()
    rows = fresh
    draw()
  })
  const say = (line: string) => {
    clear()
    out.write(`${clock()} ${line}\n`)
    draw()
  }
  return { say, stop }
}

function lines(out: NodeJS.WriteStream, agent: Agent): View {
  let last = ''
  const stop = follow(agent, rows => {
    const text = rows.map(row => row.replace(/ +/g, ' ')).join(' | ')
    if (text !== last) out.write(`${clock()}   ${text}\n`)
    last = text
  })
  return { say: line => out.write(`${clock()} ${line}\n`), stop }
}

const begun = performance.now()

function clock(): string {
  return `${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s`
}
