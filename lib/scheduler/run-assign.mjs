// Runs a module that is a scheduler: node run-assign.mjs FILE. The input comes on stdin, its answer goes to descriptor 3, both as
// JSON.
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { pathToFileURL } from 'node:url'

try {
  const text = JSON.stringify(await answerOf(process.argv[2], JSON.parse(readFileSync(0, 'utf8'))))
  if (text === undefined) throw new Error('assign returned nothing')
  // Exit at once: a connection that the module left open would keep the process alive.
  new Socket({ fd: 3 }).end(text, () => process.exit(0))
} catch (error) {
  process.stderr.write(`${String(error?.message ?? error)}\n`, () => process.exit(1))
}

async function answerOf(file, input) {
  const loaded = await import(pathToFileURL(file).href)
  const assign = loaded.assign ?? loaded.default?.assign ?? loaded.default
  if (typeof assign !== 'function') throw new Error('it exports no function assign')
  return assign(input)
}
