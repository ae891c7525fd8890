/**
 * Delivers the events of each subscription that this instance has, one after another, to the subscriber's own endpoint.
 * It keeps nothing itself: how far a subscription is stands with the API, so it may be killed at any moment.
 */
import { readFileSync } from 'node:fs'
import { resources } from 'watchbill/worker'

const { API, WATCHBILL_INSTANCE } = process.env
/** For a delivery, and again for the cursor, ms: what is under way when a subscription goes is finished within stop.grace. */
const patience = 2000

resources({
  // Whatever fails throws, and is begun again with back-off: an endpoint that is down, a cursor that a newer owner has.
  async handle({ id, document }, { token, signal }) {
    // Shows the token before it reads the cursor: from here on no earlier owner can move that.
    let { cursor } = await ask('PUT', `${API}/cursor/${id}`, token, {})
    while (!signal.aborted) {
      const { events } = await news(id, cursor, signal)
      for (const event of events) {
        if (signal.aborted) return
        const { url } = JSON.parse(readFileSync(document, 'utf8')) // each time: the subscription may have changed
        await ask('POST', url, token, event)
        // After the delivery: who is killed in between leaves an event that is posted again, and none that never was.
        ;({ cursor } = await ask('PUT', `${API}/cursor/${id}`, token, { cursor: event.number }))
      }
    }
  },
  retry: { first: 100, longest: 5000 },
})

/** Waits at the API until there are some; not when the subscription is to be given up. */
async function news(id, cursor, signal) {
  const ended = AbortSignal.any([signal, AbortSignal.timeout(10_000)])
  return answered(await fetch(`${API}/events?subscription=${id}&after=${cursor}`, { signal: ended }))
}

/** The token is for whoever refuses an earlier owner; instance and pid are for the record. */
async function ask(method, url, token, content) {
  const own = { instance: WATCHBILL_INSTANCE, pid: process.pid, token }
  const headers = { 'content-type': 'application/json', ...own }
  const signal = AbortSignal.timeout(patience)
  return answered(await fetch(url, { method, headers, body: JSON.stringify(content), signal }))
}

async function answered(answer) {
  const text = await answer.text() // to its end, or the connection is not used again
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${text}`)
  return JSON.parse(text)
}
