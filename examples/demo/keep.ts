/** Waiting for Ctrl-C. */

/** Until the signal is aborted. A listener alone keeps no Node alive: it would end at once, and clean nothing up. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const alive = setInterval(() => {}, 60_000)
    const done = () => {
      clearInterval(alive)
      resolve()
    }
    if (signal.aborted) done()
    else signal.addEventListener('abort', done, { once: true })
  })
}
