/** Whether each link was open exactly once, all the time: judged from nothing but the server's record. */
import type { Connection } from './server.ts'

/** From when to when it took, by the server's clock, ms. */
interface Span {
  readonly from: number
  readonly to: number
}

export interface Story {
  readonly links: readonly string[]
  /** By when two instances had shared all links. */
  readonly start: number
  readonly join: Span
  readonly drop: Span & { readonly count: number }
  readonly kill: Span & { readonly pid: number }
  readonly end: number
}

export interface Figures {
  readonly links: number
  /** In the end. */
  readonly openOnce: number
  /** At any time. */
  readonly openTwice: number
  /** For how long they were, summed up. */
  readonly overlapSeconds: number
  /** How often a link was opened with a lower token than before. */
  readonly tokensBack: number
  /** For how long the links that moved were closed. */
  readonly join: { readonly moved: number; readonly medianSeconds: number; readonly longestSeconds: number }
  /** For how long those that the server closed were. */
  readonly drop: { readonly closed: number; readonly longestSeconds: number }
  /** From the kill until all that it closed were open again. */
  readonly kill: { readonly closed: number; readonly againSeconds: number }
  /** Connections since the start that have none of these reasons. */
  readonly needless: number
}

export interface Verdict extends Figures {
  /** One sentence for each thing that is wrong. */
  readonly faults: readonly string[]
}

/** Within what all links of a killed process have to be open again, s. */
const again = 10

/** @param record in the order in which the connections were opened */
export function judge(record: readonly Connection[], story: Story): Verdict {
  const figures = figuresOf(record, story)
  return { ...figures, faults: [...faultsOfLinks(record, story), ...faultsOfStory(figures, story)] }
}

function figuresOf(record: readonly Connection[], { links, start, join, drop, kill, end }: Story): Figures {
  const byLink = Map.groupBy(record, ({ link }) => link)
  const lines = [...byLink.values()]
  const ends = lines.flatMap(successions)
  const moves = ends.filter(({ one, next }) => within(one.closed, join) && next && next.instance !== one.instance)
  const drops = ends.filter(({ one }) => within(one.closed, drop))
  const lost = ends.filter(({ one }) => one.pid === kill.pid && isOpen(one, kill.from))
  const overlaps = lines.map(line => overlap(line, end))
  const closing = ({ closed }: Connection) => closed ?? end
  const moving = gaps(moves, closing)
  return {
    links: links.length,
    openOnce: links.filter(link => openOf(byLink.get(link)).length === 1).length,
    openTwice: overlaps.filter(ms => ms > 0).length,
    overlapSeconds: seconds(overlaps.reduce((sum, ms) => sum + ms, 0)),
    tokensBack: ends.filter(goesBack).length,
    join: { moved: moves.length, medianSeconds: moving.median, longestSeconds: moving.longest },
    drop: { closed: drops.length, longestSeconds: gaps(drops, closing).longest },
    kill: { closed: lost.length, againSeconds: gaps(lost, () => kill.from).longest },
    needless: record.filter(({ opened }) => opened > start).length - moves.length - drops.length - lost.length,
  }
}

/** What is wrong with single links, whatever the story. */
export function faultsOfLinks(record: readonly Connection[], { links, end }: Pick<Story, 'links' | 'end'>): string[] {
  const byLink = Map.groupBy(record, ({ link }) => link)
  const known = new Set(links)
  const each = (line: readonly Connection[]) => [
    ...(overlap(line, end) > 0 ? [`was open twice for ${seconds(overlap(line, end))} s: ${whose(line)}`] : []),
    ...successions(line)
      .filter(goesBack)
      .map(({ one, next }) => `went back from token ${one.token} to ${next?.token}`),
  ]
  return [
    ...links.filter(link => openOf(byLink.get(link)).length === 0).map(link => `link ${link} is not open in the end`),
    ...Array.from(byLink, ([link, line]) => each(line).map(fault => `link ${link} ${fault}`)).flat(),
    ...[...byLink.keys()].filter(link => !known.has(link)).map(link => `nobody asked for link ${link}`),
  ]
}

function faultsOfStory({ links, join, drop, kill, needless }: Figures, story: Story): string[] {
  const [least, most] = [Math.floor(links / 3), Math.ceil(links / 3)]
  return [
    ...(join.moved < least || join.moved > most ? [`the join moved ${join.moved} links, not ${least}`] : []),
    ...(drop.closed !== story.drop.count ? [`the server closed ${story.drop.count} links; ${drop.closed} ended`] : []),
    ...(kill.closed === 0 ? ['the killed process had no link'] : []),
    ...(kill.againSeconds > again ? [`after kill -9 it took ${kill.againSeconds} s, more than ${again}`] : []),
    ...(needless > 0 ? [`links were closed and opened ${needless} times without need`] : []),
  ]
}

interface Succession {
  readonly one: Connection
  /** The next connection of the same link. */
  readonly next: Connection | undefined
}

function successions(line: readonly Connection[]): Succession[] {
  return line.map((one, i) => ({ one, next: line[i + 1] }))
}

function goesBack({ one, next }: Succession): boolean {
  return next !== undefined && BigInt(next.token) < BigInt(one.token)
}

/** For how long it was open more than once, ms. */
function overlap(line: readonly Connection[], end: number): number {
  let sum = 0
  let openUntil = Number.NEGATIVE_INFINITY
  for (const { opened, closed } of line) {
    sum += Math.max(0, Math.min(closed ?? end, openUntil) - opened)
    openUntil = Math.max(openUntil, closed ?? end)
  }
  return sum
}

interface Gaps {
  readonly median: number
  readonly longest: number
}

/** How long it was, from some moment of each connection, until the next one was opened; s. */
function gaps(list: readonly Succession[], from: (one: Connection) => number): Gaps {
  const all = list.flatMap(({ one, next }) => (next ? [next.opened - from(one)] : [])).sort((a, b) => a - b)
  return { median: seconds(all[all.length >> 1] ?? 0), longest: seconds(all.at(-1) ?? 0) }
}

function openOf(line: readonly Connection[] = []): Connection[] {
  return line.filter(({ closed }) => closed === null)
}

function isOpen({ opened, closed }: Connection, at: number): boolean {
  return opened <= at && (closed === null || closed > at)
}

function within(moment: number | null, { from, to }: Span): boolean {
  return moment !== null && moment > from && moment <= to
}

function whose(line: readonly Connection[]): string {
  return line.map(({ instance, pid, token }) => `${instance} (pid ${pid}, token ${token})`).join(', ')
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000
}
