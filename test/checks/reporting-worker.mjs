// A process that beats like test/lab/worker.sh and passes its check `progress` by itself: node reporting-worker.mjs <beats file>
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

const [file] = process.argv.slice(2)
const { WATCHBILL_INSTANCE, WATCHBILL_PARTITION, WATCHBILL_TOKEN, WATCHBILL_CHECK_PROGRESS } = process.env

function beat(more = '') {
  if (!existsSync(file)) process.exit()
  const now = Math.round(Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000)
  const line = [now, WATCHBILL_INSTANCE, process.pid, WATCHBILL_PARTITION, WATCHBILL_TOKEN].join('\t')
  appendFileSync(file, `${line}${more}\n`)
}

process.on('SIGTERM', () => {
  beat('\tstop')
  process.exit()
})
setInterval(beat, 50)
setInterval(() => fetch(WATCHBILL_CHECK_PROGRESS, { method: 'PUT' }).catch(() => {}), 500)
