import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { handlers } from '../handlers/support/programs.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'

const init = join(import.meta.dirname, '../../lib/machine/init.sh')
const inside = ['-pf', '--mount-proc', '--kill-child']
const can = spawnSync('unshare', [...inside, 'true']).status === 0
const shells = [['/bin/dash'], ['/bin/bash', '--posix'], ['/bin/busybox', 'sh']].filter(([file]) =>
  existsSync(String(file)),
)

/** Orphans that end at once; then how many zombies there are after a while, 0 as soon as there are none. */
const orphans = (many: number) => `i=0; while [ $i -lt ${many} ]; do (true & :); i=$((i + 1)); done
i=0; while zombies=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l); [ "$zombies" != 0 ] && [ $i -lt 50 ]; do
  i=$((i + 1)); sleep 0.1; done; echo "$zombies zombies"`

interface Ended {
  readonly code: number | null
  readonly stdout: string
}

async function run(command: readonly string[], act: (child: ChildProcess) => unknown = () => {}, stdin = '') {
  const child = spawn('unshare', [...inside, ...command], { stdio: ['pipe', 'pipe', 'inherit'], env: process.env })
  child.stdin.on('error', () => {}).end(stdin)
  const ended = new Promise<number | null>(resolve => child.on('exit', resolve))
  const [, stdout, code] = await Promise.all([act(child), text(child.stdout), ended])
  return { code, stdout } satisfies Ended
}

/** The first process of the namespace, as we see it. */
function first(child: ChildProcess): Promise<number> {
  return until('the first process', () => {
    const children = execFileSync('ps', ['-o', 'pid=', '--ppid', `${child.pid}`], { encoding: 'utf8' })
    return Number(children) || null
  })
}

describe('the first process of a container', { skip: !can && 'no pid namespaces here', concurrency: 2 }, () => {
  for (const shell of shells) {
    it(`reaps, and passes on stdin and the status, with ${shell[0]}`, async () => {
      const script = `cat; ${orphans(200)}; exit 7`
      const { code, stdout } = await run([...shell, init, 'sh', '-c', script], undefined, 'in\n')
      assert.deepEqual({ code, stdout }, { code: 7, stdout: 'in\n0 zombies\n' })
    })

    it(`passes signals on, with ${shell[0]}`, async () => {
      const script =
        'trap "echo hup" HUP; trap "echo int" INT; trap "echo term; exit 3" TERM; echo there; while :; do sleep 0.05; done'
      let said = ''
      const { code, stdout } = await run([...shell, init, 'sh', '-c', script], async child => {
        child.stdout?.on('data', chunk => {
          said += chunk
        })
        const pid = await first(child)
        for (const [signal, before] of [
          ['SIGHUP', 'there'],
          ['SIGINT', 'hup'],
          ['SIGTERM', 'int'],
        ] as const) {
          await until(`it to say ${before}`, () => said.includes(before))
          process.kill(pid, signal)
        }
      })
      assert.deepEqual({ code, stdout }, { code: 3, stdout: 'there\nhup\nint\nterm\n' })
    })
  }

  it('that gets no signal ends as the command did', async () => {
    assert.equal((await run(['sh', init, 'sh', '-c', 'kill -9 $$'])).code, 137)
  })
})

describe('lock as the first process', { skip: !can && 'no pid namespaces here' }, () => {
  const cluster = sharedCluster({ clients: 0 })

  it('leaves no zombies', async () => {
    const args = ['first', '--http-addr', cluster().agent('s1').http, '--', 'sh', '-c', `${orphans(200)}; exit 7`]
    const { code, stdout } = await run([process.execPath, join(handlers, 'lock.ts'), ...args])
    assert.deepEqual({ code, stdout }, { code: 7, stdout: '0 zombies\n' })
  })

  it('gets its signals', async () => {
    const args = ['signals', '--http-addr', cluster().agent('s1').http, '--', 'sh', '-c', 'echo there; exec sleep 100']
    let said = ''
    const { code } = await run([process.execPath, join(handlers, 'lock.ts'), ...args], async child => {
      child.stdout?.on('data', chunk => {
        said += chunk
      })
      await until('it to hold the lock', () => said.includes('there'), { deadline: 20_000 })
      process.kill(await first(child), 'SIGTERM')
    })
    assert.equal(code, 143)
  })
})
