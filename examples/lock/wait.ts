/** Ten seconds' wait: one machine works for three seconds, a second one waits for at most ten, a third for at most one. */
import { execa } from 'execa'
import { onMachines, say } from './lab.ts'

await onMachines(3, async ([first, second, third]) => {
  const lock = (env = {}, ...args: string[]) =>
    execa('watchbill', ['lock', ...args], { env, extendEnv: false, reject: false })
  const working = lock(first, 'migrate', '--', 'sh', '-c', 'echo started; sleep 3')
  await new Promise(resolve => working.stdout.once('data', resolve))
  const began = performance.now()
  const [patient, hasty] = await Promise.all([
    lock(second, '--wait', '10s', 'migrate', '--', 'echo', 'my turn'),
    lock(third, '--wait', '1s', 'migrate', '--', 'echo', 'my turn'),
  ])
  const waited = (performance.now() - began) / 1000
  say(`--wait 10s: exit ${patient.exitCode}, "${patient.stdout}" after ${waited.toFixed(1)} s`)
  say(`--wait 1s: exit ${hasty.exitCode}, ${hasty.stderr}`)
  return [
    ...(patient.exitCode === 0 && patient.stdout === 'my turn' && waited < 10
      ? []
      : ['who waited long enough had no turn']),
    ...(hasty.exitCode === 1 && / is held by .* since /.test(hasty.stderr) ? [] : ['who gave up was not told why']),
  ]
})
