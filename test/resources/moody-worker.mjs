// A worker that does what files say: node moody-worker.mjs <file>. As long as <file>.bad.<id> is there it cannot handle that one;
// while <file>.slow.<id> is there it is not ready with it; when <file>.close.<instance> is there it closes, and lives on.
import { existsSync } from 'node:fs'
import { resources } from '../../lib/client/worker/resources.ts'

const [file] = process.argv.slice(2)
const held = resources({
  async handle({ id }) {
    if (existsSync(`${file}.bad.${id}`)) throw new Error(`the link ${id} is refused`)
    while (existsSync(`${file}.slow.${id}`)) await new Promise(resolve => setTimeout(resolve, 50))
  },
  retry: { first: 20, longest: 500 },
  logger: { info() {}, error() {} },
})
let closed = false
setInterval(() => {
  if (closed || !existsSync(`${file}.close.${process.env.WATCHBILL_INSTANCE}`)) return
  closed = true
  held.close()
}, 50)
