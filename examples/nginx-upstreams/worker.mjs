/** One partition's worker: answers on port 9000 + its number; after SIGTERM for another second, and then finishes what it has begun. */
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const {
  WATCHBILL_PARTITION: partition = '0',
  WATCHBILL_VERSION: version = '',
  LISTEN: host = '127.0.0.1',
} = process.env

const server = createServer(async (_, answer) => {
  await delay(5) // work
  answer.writeHead(200, { connection: 'close', 'x-version': version }).end(`${partition}\n`)
})
server.listen(9000 + Number(partition), host)
// By then nginx sends it nothing more: its address is gone as soon as the hand-over is decided.
process.once('SIGTERM', () => setTimeout(() => server.close(() => process.exit(0)), 1000))
