/** Handles whatever it is given by writing down that it does: `<boot clock, ms> <pid> <token> begin|end <id>`. */
import { openSync, writeSync } from 'node:fs'
import { bootClock } from '../../../lib/base/clock.ts'
import { resources } from '../../../lib/client/worker/resources.ts'

const file = openSync(process.argv[2] as string, 'a')
const tokens = new Map<string, string>()

resources({
  handle({ id }, { token }) {
    tokens.set(id, token)
    write('begin', id)
  },
  terminate: ({ id }) => write('end', id),
  logger: { info: () => {}, error: line => console.error(line) },
})

function write(what: string, id: string): void {
  writeSync(file, `${bootClock()} ${process.pid} ${tokens.get(id)} ${what} ${id}\n`)
}
