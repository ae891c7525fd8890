/** The live news. An EventSource can send no headers, so the stream is read here; it is opened again until it stays. */
import { keyHeaders } from './key.ts'

export interface News {
  readonly kind: 'change' | 'away' | 'back'
  readonly why?: string
}

export interface Told {
  readonly news: (news: News) => void
  /** The stream is there, or the page's own program does not answer. */
  readonly there: (is: boolean, status: number) => void
}

/** A page that nobody looks at for so long asks for no news, so that the program may end, ms. */
const hidden = 60_000
/** Between two tries, and how long the stream may be silent, ms. */
const pause = 1000
const silence = 25_000

/** @returns ends it */
export function listen(service: string | null, told: Told): () => void {
  const over = new AbortController()
  void (async () => {
    while (!over.signal.aborted) {
      await seen(over.signal)
      const one = new AbortController()
      const stop = () => one.abort()
      over.signal.addEventListener('abort', stop)
      let status = 0
      try {
        status = await read(service, one, told)
      } catch {
        // Cut, or nobody there: told below, and tried again.
      }
      over.signal.removeEventListener('abort', stop)
      if (over.signal.aborted) return
      if (!document.hidden) told.there(false, status)
      await wait(pause)
    }
  })()
  return () => over.abort()
}

async function read(service: string | null, over: AbortController, told: Told): Promise<number> {
  let timer = 0
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => over.abort(), silence)
  }
  const whenHidden = () => {
    if (document.hidden) setTimeout(() => document.hidden && over.abort(), hidden)
  }
  document.addEventListener('visibilitychange', whenHidden)
  try {
    alive()
    const query = service === null ? '' : `?service=${encodeURIComponent(service)}`
    const answer = await fetch(`/live${query}`, { headers: keyHeaders(), signal: over.signal, cache: 'no-store' })
    if (!answer.ok || answer.body === null) return answer.status
    told.there(true, answer.status)
    let text = ''
    for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
      const { value, done } = await reader.read()
      if (done) return answer.status
      alive()
      const parts = (text + value).split('\n\n')
      text = parts.pop() ?? ''
      for (const part of parts) if (part.startsWith('data: ')) told.news(JSON.parse(part.slice('data: '.length)))
    }
  } finally {
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', whenHidden)
  }
}

function seen(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve()
  return new Promise(resolve => {
    const look = () => {
      if (document.hidden && !signal.aborted) return
      document.removeEventListener('visibilitychange', look)
      resolve()
    }
    document.addEventListener('visibilitychange', look)
    signal.addEventListener('abort', look)
  })
}

function wait(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
