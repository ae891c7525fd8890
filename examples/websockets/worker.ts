/**
 * Keeps one websocket link open for each partition of this instance; the partition's id says which. watchbill runs one
 * process of this per instance. In a project of your own, import from 'watchbill/worker'.
 */
import { WebSocket } from 'ws'
import { resources } from '../../lib/client/worker/resources.ts'

const { LINKS_SERVER, WATCHBILL_INSTANCE = '' } = process.env

/** How long the server may take to answer, ms. To close must take less than the grace period. */
const patience = { open: 5000, close: 1000 }

resources({
  // It lasts as long as the link. One that is lost is a failure: handle is called again, later each time.
  async handle({ id }, { token, signal }) {
    const link = open(id, token)
    const giveUp = () => close(link)
    signal.addEventListener('abort', giveUp)
    // When this is over another instance opens the link: not before the server has closed it, too.
    const why = await closed(link)
    signal.removeEventListener('abort', giveUp)
    if (!signal.aborted) throw new Error(why)
  },
})

function open(id: string, token: string): WebSocket {
  // The token is for the server: it grows from owner to owner, so a lower one than the last is somebody's who was frozen.
  const who = new URLSearchParams({ token, instance: WATCHBILL_INSTANCE, pid: `${process.pid}` })
  const url = `${LINKS_SERVER}/${encodeURIComponent(id)}?${who}`
  return new WebSocket(url, { handshakeTimeout: patience.open })
}

/** A server that does not answer is not waited for: one link that does not end would end the whole process. */
function close(link: WebSocket): void {
  link.close()
  setTimeout(() => link.terminate(), patience.close).unref()
}

/** After an error, too, the link is closed only when it says so. @returns why */
function closed(link: WebSocket): Promise<string> {
  return new Promise(resolve => {
    let failure = ''
    link.on('error', ({ message }) => {
      failure = message
    })
    link.on('close', code => resolve(failure || `the server closed it: ${code}`))
  })
}
