// A hook that opens and closes incidents at a paging service, in the form of PagerDuty's Events API v2.
//
//   node pager.mjs <URL> <file with the routing key>        the event as JSON on stdin, as watchbill gives it
//
// One incident per partition and check: `dedup_key` is the same for what opens it and what closes it, so telling twice
// changes nothing. A service that is away is tried a few times; then it exits 1, and watchbill tries again later.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const tries = 4
const limit = 5000

/** What the paging service is told of an event. */
export function incident(event, key) {
  const { Event, Service, Partition, Instance, Name, Status, Output, Reason } = event
  const what = Name ?? Event
  const well = Event === 'onPass'
  return {
    routing_key: key,
    event_action: well ? 'resolve' : 'trigger',
    dedup_key: [Service, Partition ?? Instance, what].join('/'),
    ...(well || {
      payload: {
        summary: `${Service} ${Partition ?? ''}: ${what} is ${Status ?? Event}`,
        source: Instance,
        severity: Status === 'warning' ? 'warning' : 'critical',
        custom_details: { event: event.EventID, output: Output ?? Reason ?? '' },
      },
    }),
  }
}

/** @returns what went wrong, and whether it may pass; null when it was accepted */
async function send(url, body) {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(limit),
    })
    if (answer.ok) return null
    return { why: `it answered ${answer.status}`, passes: answer.status === 429 || answer.status >= 500 }
  } catch (error) {
    return { why: error.cause?.code ?? error.message, passes: true }
  }
}

async function main([url, keyFile]) {
  if (keyFile === undefined) {
    console.error('usage: pager.mjs <URL> <file with the routing key>')
    return 100
  }
  const body = incident(JSON.parse(readFileSync(0, 'utf8')), readFileSync(keyFile, 'utf8').trim())
  let failure = null
  for (let n = 0; n < tries; n++) {
    failure = await send(url, body)
    if (failure === null) return 0
    if (!failure.passes) break
    await pause(250 * 2 ** n)
  }
  console.error(`cannot ${body.event_action} ${body.dedup_key} at ${url}: ${failure.why}`)
  return 1
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
