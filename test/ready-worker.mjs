// A process that is ready once <file>.go is there, and says so as it was asked: node ready-worker.mjs <file>
import { existsSync, writeFileSync } from 'node:fs'

const [file] = process.argv.slice(2)
const { WATCHBILL_READY, WATCHBILL_CHECK_PROGRESS } = process.env
const timer = setInterval(async () => {
  if (!existsSync(`${file}.go`)) return
  clearInterval(timer)
  if (WATCHBILL_READY) writeFileSync(WATCHBILL_READY, '')
  if (WATCHBILL_CHECK_PROGRESS) await fetch(WATCHBILL_CHECK_PROGRESS, { method: 'PUT' })
}, 50)
setInterval(() => {}, 60_000)
