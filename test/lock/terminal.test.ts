import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { handlers } from '../handlers/support/programs.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'

const cluster = sharedCluster({ clients: 0 })

/** Its group and the terminal's foreground group; then a line for each SIGINT, and the one that is typed. */
const job = `trap 'echo int >>"$1"' INT
ps -o pgid=,tpgid= $$ >>"$1"
until read -r line </dev/tty; do :; done
echo "$line" >>"$1"
`

test('a terminal has the command in its foreground, and what is typed reaches it once', async t => {
  const agent = cluster().agent('s1')
  const [report, script] = [join(agent.folder, 'report'), join(agent.folder, 'job.sh')]
  writeFileSync(report, '')
  writeFileSync(script, job)
  const command = `exec ${process.execPath} ${join(handlers, 'lock.ts')} tty -- sh ${script} ${report}`
  const terminal = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...agent.env, CONSUL_HTTP_ADDR: agent.http },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  t.after(() => terminal.kill('SIGKILL'))
  const ended = once(terminal, 'exit')
  const lines = () => readFileSync(report, 'utf8').split('\n').slice(0, -1)
  const [group, foreground] = await until('the command to be there', () => lines()[0]?.trim().split(/\s+/))
  assert.equal(group, foreground)
  terminal.stdin.write('\x03')
  await until('the SIGINT', () => lines().includes('int'))
  terminal.stdin.write('typed\n')
  assert.deepEqual(await ended, [0, null])
  assert.deepEqual(lines().slice(1), ['int', 'typed'])
})
