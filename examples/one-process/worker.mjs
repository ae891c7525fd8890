import { appendFileSync } from 'node:fs'
import { resources } from 'watchbill/worker'

const timers = new Map()

resources({
  async handle({ id }, { token }) {
    const beat = () => appendFileSync(process.env.BEATS, `${id} ${token} ${process.pid}\n`)
    timers.set(id, setInterval(beat, 50))
  },
  async terminate({ id }) {
    clearInterval(timers.get(id))
    timers.delete(id)
  },
  failed(error, { id }) {
    console.error(`${id}: ${error}; it is tried again`)
  },
  terminateFailed(error, { id }) {
    console.error(`${id}: ${error}`)
    return false // true: it is given up all the same, and another instance starts it
  },
  stop() {
    console.log('all is given up')
  },
  concurrency: 100, // so many handle, and so many terminate, at a time
})
