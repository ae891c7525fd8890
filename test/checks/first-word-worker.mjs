// A process that says how it is as its first act, and what the agent answered: node first-word-worker.mjs <file>
import { appendFileSync } from 'node:fs'

const { WATCHBILL_PARTITION, WATCHBILL_CHECK_PROGRESS } = process.env
const { status } = await fetch(WATCHBILL_CHECK_PROGRESS.replace('/pass/', '/fail/'), { method: 'PUT' })
appendFileSync(process.argv[2], `${WATCHBILL_PARTITION} ${status}\n`)
setInterval(() => {}, 60_000)
