// Runs a module that fetches partitions: node run-module.mjs FILE. The answer goes to descriptor 3 as JSON.
import { Socket } from 'node:net'
import { pathToFileURL } from 'node:url'

try {
  const text = JSON.stringify(await answerOf(process.argv[2]))
  if (text === undefined) throw new Error('fetch returned nothing')
  // What the module may still have open, such as a connection, keeps nobody waiting.
  new Socket({ fd: 3 }).end(text, () => process.exit(0))
} catch (error) {
  process.stderr.write(`${String(error?.message ?? error)}\n`, () => process.exit(1))
}

async function answerOf(file) {
  const loaded = await import(pathToFileURL(file).href)
  const module = typeof loaded.fetch === 'function' ? loaded : (loaded.default ?? {})
  if (typeof module.fetch !== 'function') throw new Error('it exports no function fetch')
  const context = await module.setup?.()
  try {
    return await module.fetch(context)
  } finally {
    await module.tearDown?.(context)
  }
}
