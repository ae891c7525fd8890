// Feeds the partitions of a service from a queue, here a spool directory:
//
//   node feeder.mjs <service> <directory>
//
// Each message is a file, written beside and renamed to *.json; the order is that of the names:
//   {"allocate": "order-1", "document": {"total": 12}}     there is to be this partition, with this document
//   {"deallocate": "order-1"}                              there is not
//
// A message is removed once Consul has taken it. Killed before that, the next feeder does it again, which changes nothing.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { allocate, deallocate } from 'watchbill/client'

const [service, directory] = process.argv.slice(2)
let ending = false
process.on('SIGTERM', () => {
  ending = true
})

function carryOut(message) {
  if (message.allocate === undefined) return deallocate(service, message.deallocate)
  return allocate(service, { id: message.allocate, document: message.document })
}

while (!ending) {
  const [next] = readdirSync(directory)
    .filter(name => name.endsWith('.json'))
    .sort()
  if (next === undefined) {
    await pause(200)
    continue
  }
  try {
    const done = await carryOut(JSON.parse(readFileSync(join(directory, next), 'utf8')))
    console.log(next, JSON.stringify(done))
    rmSync(join(directory, next))
  } catch (error) {
    console.error(`${next}: ${error.message}`)
    if (error.name !== 'Temporary') process.exit(100) // to skip it would change the order: somebody has to look
    await pause(1000)
  }
}
