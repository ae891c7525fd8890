/** The commands of power-off.json: only exit 0 counts, and each ends in time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runCommand } from '../../lib/power/run-command.ts'

const shell = (script: string) => ['/bin/sh', '-c', script, '{node}']

const cases: [what: string, script: string, outcome: string | null][] = [
  ['succeeds', 'true', null],
  ['fails', 'echo no such outlet >&2; exit 3', '/bin/sh: exit 3: no such outlet'],
  ['is killed', 'kill -9 $$', '/bin/sh: ended by SIGKILL'],
  ['hangs', 'exec sleep 60', '/bin/sh: did not end within 0.5 s'],
  ['ignores its end', 'trap "" TERM; while :; do sleep 0.1; done', '/bin/sh: did not end within 0.5 s'],
  ['is told the node', '[ "$0 $WATCHBILL_NODE" = "b b" ]', null],
  ['is not told the token', '[ ! "$CONSUL_HTTP_TOKEN" ]', null],
]

describe('a command that', { concurrency: true }, () => {
  process.env.CONSUL_HTTP_TOKEN = 'secret'
  for (const [what, script, outcome] of cases)
    it(`${what}: ${outcome ?? 'exit 0'}`, async () => assert.equal(await runCommand(shell(script), 'b', 500), outcome))

  it('leaves a child behind that holds its output: it is not waited for', async () => {
    const begun = performance.now()
    assert.equal(await runCommand(shell('sleep 20 & exit 0'), 'b', 500), null)
    assert.ok(performance.now() - begun < 10_000)
  })

  it('is not there', async () => {
    assert.match(
      (await runCommand(['/nowhere/off', '{node}'], 'b', 500)) ?? '',
      /^\/nowhere\/off: exit 127: .*No such file/,
    )
  })
})
