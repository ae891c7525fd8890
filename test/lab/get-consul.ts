/** `node test/lab/get-consul.ts`: prints the path of the Consul that the lab runs, and fetches it first if need be. */
import { reason } from '../../lib/base/errors.ts'
import { consulBinary } from './consul.ts'

try {
  console.log(await consulBinary(line => console.error(line)))
} catch (error) {
  console.error(`get-consul: ${reason(error)}`)
  process.exitCode = 100
}
