/** The live news as server-sent events: one stream for each viewer, all from the same feed. */
import { headers } from '../headers.ts'
import type { Here } from '../here/here.ts'
import type { Sight } from '../sight.ts'
import type { News } from './feed.ts'

/** The most viewers at a time, and of how many unread news one is let go. */
const mostViewers = 100
const mostUnread = 32
/** How often a stream shows that it lives, and processes on this machine are looked at, ms. */
const beat = 10_000
const local = 1000

export class Viewers {
  count = 0
}

export interface Looking {
  readonly sight: Sight
  /** Null for all services. */
  readonly service: string | null
  readonly here: Here
  readonly used: () => void
}

export function liveAnswer(viewers: Viewers, { sight, service, here, used }: Looking): Response {
  if (viewers.count >= mostViewers)
    return Response.json({ error: `there are ${mostViewers} viewers already` }, { status: 503, headers })
  viewers.count++
  const text = new TextEncoder()
  const timers: NodeJS.Timeout[] = []
  let leave = () => {}
  let over = false
  const end = () => {
    if (over) return
    over = true
    viewers.count--
    leave()
    for (const timer of timers) clearInterval(timer)
  }
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const send = (line: string) => {
          if (over) return
          // Whoever does not read is let go, and may come again.
          if ((controller.desiredSize ?? 0) <= 0) {
            end()
            controller.error(new Error('nobody reads'))
          } else controller.enqueue(text.encode(line))
        }
        const tell = (news: News) => send(`data: ${JSON.stringify(news)}\n\n`)
        send(': watchbill\n\n')
        leave = sight.feed.join({ service, tell })
        timers.push(
          setInterval(() => {
            used()
            sight.used = performance.now()
            send(': alive\n\n')
          }, beat).unref(),
        )
        if (service !== null) timers.push(watchHere(here, service, () => tell({ kind: 'change' })))
      },
      cancel: end,
    },
    { highWaterMark: mostUnread },
  )
  return new Response(stream, { headers: { ...headers, 'Content-Type': 'text/event-stream' } })
}

/** What happens to processes on this machine is seen before Consul knows. */
function watchHere(here: Here, service: string, changed: () => void): NodeJS.Timeout {
  let before = stampOf(here, service)
  return setInterval(() => {
    const now = stampOf(here, service)
    if (now !== before) changed()
    before = now
  }, local).unref()
}

function stampOf(here: Here, service: string): string {
  try {
    return here.stamp(service)
  } catch {
    return '' // another user's state directory
  }
}
