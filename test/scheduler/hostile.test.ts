/**
 * What a hostile scheduler can and cannot do, with a user of its own and without. Needs root; the table stands in
 * docs/own-rules.md. What it leaves behind is looked for by its mark.
 */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import type { Assign } from '../../lib/definition/assign.ts'
import { allPids } from '../../lib/machine/marks.ts'
import { Failed, runScheduler } from '../../lib/scheduler/run.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { until } from '../lab/until.ts'
import { usual } from './service.ts'

const isRoot = process.getuid?.() === 0

/** A place like a machine's: a state directory of mode 0700, a token file of mode 0600, and a folder that all may write. */
function machine(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'watchbill-hostile-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  chmodSync(root, 0o755)
  const open = join(root, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  const state = join(root, 'state')
  const files = instanceFiles(state, 'a:svc')
  mkdirSync(files.directory, { recursive: true, mode: 0o700 })
  chmodSync(state, 0o700)
  writeFileSync(join(files.directory, 'lease'), 'the lease')
  const token = join(root, 'token')
  writeFileSync(token, 'the secret', { mode: 0o600 })
  return { root, open, files, token }
}

async function run(t: TestContext, script: (at: ReturnType<typeof machine>) => string, over: Partial<Assign> = {}) {
  const at = machine(t)
  const file = join(at.root, 'assign')
  writeFileSync(file, `#!/bin/sh\n${script(at)}\n`)
  chmodSync(file, 0o755)
  const assign: Assign = { ...usual, timeoutMs: 2000, from: { kind: 'command', command: [file] }, ...over }
  const place = { files: at.files, service: 'svc', instance: 'a:svc', node: 'a', cwd: '/' }
  const begun = bootClock()
  const said = await runScheduler(place, assign, '{}').then(
    ({ text }) => text.trim(),
    error => {
      assert.ok(error instanceof Failed, String(error))
      return `refused: ${error.message}`
    },
  )
  return { ...at, said, took: bootClock() - begun }
}

const own = { user: 'nobody' }
const left = (what: string) => allPids().filter(pid => commandOf(pid).includes(what))
const commandOf = (pid: number) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

describe('a hostile scheduler with a user of its own', { skip: isRoot ? false : 'it needs root' }, () => {
  it('cannot read the token file', async t => {
    const { said } = await run(t, ({ token }) => `cat ${token}`, own)
    assert.match(said, /^refused: exit 1: cat: .*Permission denied$/)
  })

  it('cannot read or change the state directory', async t => {
    const { said, files } = await run(t, at => `echo x >${at.files.directory}/lease; cat ${at.files.directory}/*`, own)
    assert.match(said, /^refused: exit 1: cat: .*Permission denied$/)
    assert.equal(readFileSync(join(files.directory, 'lease'), 'utf8'), 'the lease')
  })

  it('finds no token in its environment, nor in that of the program that started it', async t => {
    process.env.CONSUL_HTTP_TOKEN = 'the secret'
    t.after(() => delete process.env.CONSUL_HTTP_TOKEN)
    const { said } = await run(t, () => 'env; cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n"', own)
    assert.doesNotMatch(said, /the secret/)
    assert.match(said, /WATCHBILL_SERVICE=svc/)
  })

  it('cannot become root again', async t => {
    const { said } = await run(t, () => 'grep -E "^(NoNewPrivs|CapEff|Uid):" /proc/self/status', own)
    assert.match(said, /^Uid:\s+(?!0)\d+\s/)
    assert.match(said, /CapEff:\s+0+\n/)
    assert.match(said, /NoNewPrivs:\s+1/)
  })

  it('that forks without end is bounded, and ends', async t => {
    const { said, took } = await run(t, () => 'bomb() { bomb | bomb & }; bomb; sleep 30', own)
    assert.match(said, /^refused: (no end within 2 s|exit|it started more than)/)
    assert.ok(took < 15_000, `${took} ms`)
    const nobody = 65_534
    const left = () => allPids().filter(pid => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === nobody)
    // Whoever adopts what was killed may take a moment to reap it.
    await until('them to be gone', see => see(left().length) < 50)
  })
})

describe('any hostile scheduler', () => {
  it('that prints 10 GB is killed at once, and uses no memory for it', async t => {
    const before = process.memoryUsage().rss
    const { said, took } = await run(t, () => 'head -c 10000000000 /dev/zero')
    assert.match(said, /^refused: it prints more than 524288 bytes$/)
    assert.ok(took < 2000, `${took} ms`)
    assert.ok(process.memoryUsage().rss - before < 100_000_000)
  })

  it('writes at most 64 MiB into a file', async t => {
    const { open } = await run(t, at => `head -c 200000000 /dev/zero >${at.open}/large; echo '{}'`)
    assert.equal(statSync(join(open, 'large')).size, 64 * 1024 * 1024)
  })

  it('leaves nothing behind, however it gets away', async t => {
    const away = 'for how in "" setsid "env -i" "setsid env -i"; do $how sleep 4711 & done; exec sleep 4711'
    const { said } = await run(t, () => `(${away}) >/dev/null 2>&1 </dev/null & echo '{}'`, { timeoutMs: 5000 })
    assert.equal(said, '{}')
    assert.deepEqual(left('sleep\u00004711'), [])
  })

  it('is killed at its timeout although it ignores signals, with what it started', async t => {
    const { said, took } = await run(t, () => 'trap "" TERM INT HUP; setsid sleep 4712 & sleep 4712; sleep 4712')
    assert.equal(said, 'refused: no end within 2 s')
    assert.ok(took < 6000, `${took} ms`)
    assert.deepEqual(left('sleep\u00004712'), [])
  })

  it('that was left by a killed program is ended by the next run', async t => {
    const at = machine(t)
    const { spawn } = await import('node:child_process')
    const file = join(at.root, 'assign')
    writeFileSync(file, '#!/bin/sh\nsetsid sleep 4713 &\nsleep 4713\n')
    chmodSync(file, 0o755)
    const program = `
      import { runScheduler } from ${JSON.stringify(join(import.meta.dirname, '../../lib/scheduler/run.ts'))}
      import { instanceFiles } from ${JSON.stringify(join(import.meta.dirname, '../../lib/state/paths.ts'))}
      const files = instanceFiles(${JSON.stringify(join(at.root, 'state'))}, 'a:svc')
      const assign = ${JSON.stringify({ ...usual, timeoutMs: 60_000, from: { kind: 'command', command: [file] } })}
      await runScheduler({ files, service: 'svc', instance: 'a:svc', node: 'a', cwd: '/' }, assign, '{}')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' })
    await until('both to sleep', () => left('sleep\u00004713').length === 2)
    child.kill('SIGKILL')
    writeFileSync(file, "#!/bin/sh\necho '{}'\n")
    const place = { files: at.files, service: 'svc', instance: 'a:svc', node: 'a', cwd: '/' }
    const assign: Assign = { ...usual, from: { kind: 'command', command: [file] } }
    assert.equal((await runScheduler(place, assign, '{}')).text.trim(), '{}')
    assert.deepEqual(left('sleep\u00004713'), [])
    assert.equal(existsSync(join(at.files.scheduler, 'mark')), false)
  })

  it('that starts more than 512 processes is killed with all of them', async t => {
    const many = 'i=0; while [ $i -lt 700 ]; do sleep 4714 & i=$((i+1)); done; wait'
    const { said } = await run(t, () => many, { timeoutMs: 20_000 })
    // As another user than root, the kernel refuses before that.
    assert.match(said, isRoot ? /^refused: it started more than 512 processes$/ : /^refused: /)
    assert.deepEqual(left('sleep\u00004714'), [])
  })
})
