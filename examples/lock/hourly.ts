/** Three machines run report.sh, with clocks that differ, for three hours; in the last one a machine dies at work. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { execa } from 'execa'
import { here, type Machine, onMachines, say } from './lab.ts'

const hours = ['2030-01-01T08', '2030-01-01T09', '2030-01-01T10'] as const
const command = ['lock', '--wait', '30m', 'hourly-report', '--', join(here, 'report.sh')]
/** Says that it begins, takes a second, or a hundred, and writes one line. */
const maker = '#!/bin/sh\necho begun\nsleep "$TAKES"\necho "$1 by $NAME" >>"$REPORTS"\n'

await onMachines(3, async (machines, { root }) => {
  const [make, reports] = [join(root, 'make-report'), join(root, 'reports')]
  writeFileSync(make, maker, { mode: 0o755 })
  writeFileSync(reports, '')
  const cron = (machine: Machine, n: number, hour: string, takes = '1') => {
    const report = { HOUR: hour, REPORT: make, REPORTS: reports, NAME: `machine ${n + 1}`, TAKES: takes }
    return execa('watchbill', command, { env: { ...machine, ...report }, extendEnv: false, reject: false })
  }
  /** Each a little later than the one before. */
  const all = (hour: string, from = 0) =>
    Promise.all(machines.slice(from).map((machine, n) => delay(n * 300).then(() => cron(machine, n + from, hour))))
  await all(hours[0])
  await all(hours[1])
  say('in the last hour machine 1 is killed while it makes the report')
  const dying = cron(machines[0] as Machine, 0, hours[2], '100')
  await new Promise(resolve => dying.stdout.once('data', resolve))
  const others = all(hours[2], 1)
  dying.kill('SIGKILL')
  await others
  const made = readFileSync(reports, 'utf8').split('\n').slice(0, -1)
  for (const line of made) say(`report of ${line}`)
  return hours.flatMap(hour => {
    const count = made.filter(line => line.startsWith(hour)).length
    return count === 1 ? [] : [`the report of ${hour} was made ${count} times`]
  })
})
