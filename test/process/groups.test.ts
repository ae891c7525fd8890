/** Where control groups are made. A stand-in for systemd-run really makes a group; see test/systemd/ for the real one. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs, { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { homeOf, membersOfGroup, ownGroup, readHome } from '../../lib/process/containment/groups.ts'
import { usable } from '../../lib/process/containment/home.ts'
import { isStopping, systemdHome } from '../../lib/process/containment/scope.ts'
import { directory } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const own = process.getuid?.() === 0 ? ownGroup() : null
const skip = own === null && 'needs root and control groups of version 2'
const base = own === null ? '' : `${own.mount}${own.path}`

/** A control group of the test's own. */
function group(test: TestContext): string {
  const path = `${base}/watchbill-test-${process.pid}-${Math.random().toString(36).slice(2)}`
  mkdirSync(path)
  test.after(() => until(`${path} to be removed`, () => removed(path)))
  return path
}

function removed(path: string): boolean {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removed(join(path, entry.name))
  try {
    rmdirSync(path)
    return true
  } catch {
    return false // its last process has yet to be reaped
  }
}

function withVariable(test: TestContext, name: string, value: string): void {
  const before = process.env[name]
  process.env[name] = value
  test.after(() => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  })
}

const filesIn = (root: string) => ({ directory: join(root, 'n1:svc'), groups: join(root, 'groups') })

/** Scripts by name, first on PATH. */
function programs(test: TestContext, scripts: Readonly<Record<string, string>>): string {
  const folder = directory(test)
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  withVariable(test, 'PATH', `${folder}:${process.env.PATH}`)
  return folder
}

describe('where control groups are made', { skip }, () => {
  it('is what WATCHBILL_CGROUP says, also after something else was found', async test => {
    const [one, two, files] = [group(test), group(test), filesIn(directory(test))]
    withVariable(test, 'WATCHBILL_CGROUP', one)
    assert.equal((await homeOf(files)).directory, `${one}/watchbill.n1:svc`)
    withVariable(test, 'WATCHBILL_CGROUP', `${two}/made`)
    assert.equal((await homeOf(files)).directory, `${two}/made/watchbill.n1:svc`)
    withVariable(test, 'WATCHBILL_CGROUP', 'off')
    assert.equal((await homeOf(files)).directory, null)
  })

  it('is found out anew while there is none: the remedy may have come', async test => {
    const files = filesIn(directory(test))
    withVariable(test, 'WATCHBILL_CGROUP', 'off')
    assert.equal((await homeOf(files)).directory, null)
    assert.match(readHome(files)?.why ?? '', /off/)
    const parent = group(test)
    withVariable(test, 'WATCHBILL_CGROUP', parent)
    assert.equal((await homeOf(files)).directory, `${parent}/watchbill.n1:svc`)
    withVariable(test, 'WATCHBILL_CGROUP', '')
    assert.equal((await homeOf(files)).directory, `${parent}/watchbill.n1:svc`, 'who has no such variable keeps it')
  })

  it('is nowhere that a process cannot be moved to, whatever its modes say', async test => {
    const parent = group(test)
    for (const path of [parent, `${parent}/cgroup.procs`]) chownSync(path, 65534, 65534)
    // Above it, where this process and it come together, that user may change nothing.
    const lib = join(import.meta.dirname, '../../lib/process/containment/home.ts')
    const script = `const { usable } = await import(process.argv[1])
      console.log(JSON.stringify(await usable(process.argv[2], { directory: '/n1:svc' }, 'why')))`
    const user = ['--reuid=65534', '--regid=65534', '--clear-groups']
    const command = [...user, process.execPath, '--input-type=module', '-e', script, lib, parent]
    const { stdout, stderr } = spawnSync('setpriv', command, { encoding: 'utf8' })
    assert.deepEqual(JSON.parse(stdout || `"${stderr}"`).directory, null)
    assert.equal((await usable(parent, { directory: '/n1:svc' }, 'why')).directory, `${parent}/watchbill.n1:svc`)
  })
})

describe('a scope of systemd', { skip }, () => {
  const files = { directory: '/n1:svc' }

  it('is asked for with Delegate=yes, and holds a process until we end', async test => {
    const parent = group(test)
    const folder = programs(test, {
      'systemd-run': `mkdir ${parent}/a.scope; echo 0 >${parent}/a.scope/cgroup.procs; printf '%s\\n' "$@" >"$0.asked"
while [ "$1" != /bin/sh ]; do shift; done; exec "$@"`,
    })
    const home = await systemdHome(own ?? { mount: '', path: '' }, files)
    assert.deepEqual(home, { directory: `${parent}/a.scope/watchbill.n1:svc`, why: 'a scope that systemd made' })
    assert.match(readFileSync(join(folder, 'systemd-run.asked'), 'utf8'), /^--scope\n(.*\n)*--property=Delegate=yes\n/)
    const held = readFileSync(`${parent}/a.scope/cgroup.procs`, 'utf8').trim()
    assert.match(held, /^\d+$/)
    process.kill(Number(held))
  })

  it('is none where systemd-run fails, is not there, or makes one that cannot be used', async test => {
    const fails: [string, RegExp][] = [
      ['exit 1', /systemd-run could not/],
      [`printf '0::/gone.scope\\n\\n'`, /gone\.scope cannot be used: ENOENT/],
    ]
    for (const [script, why] of fails) {
      programs(test, { 'systemd-run': script })
      const home = await systemdHome(own ?? { mount: '', path: '' }, files)
      assert.equal(home.directory, null)
      assert.match(home.why, why)
    }
  })

  it('is stopping only when systemd says so', async test => {
    const says = { active: false, deactivating: true, inactive: true, failed: true, '': false }
    for (const [said, stopping] of Object.entries(says)) {
      programs(test, { systemctl: `echo "${said}"; exit 3` })
      assert.equal(await isStopping('a.scope'), stopping, said)
    }
  })
})

describe('who is in a control group', () => {
  it('is nobody when it is gone', test => assert.deepEqual(membersOfGroup(join(directory(test), 'gone')), []))

  for (const [name, file] of [
    ['readFileSync', 'cgroup.procs'],
    ['readdirSync', 'what is below it'],
  ] as const) {
    it(`is not known when the system cannot look: ${file}`, test => {
      const group = directory(test)
      writeFileSync(join(group, 'cgroup.procs'), '')
      assert.deepEqual(membersOfGroup(group), [])
      const refused = Object.assign(new Error('no memory'), { code: 'ENOMEM' })
      const mocked = test.mock.method(fs, name, () => {
        throw refused
      })
      syncBuiltinESMExports()
      try {
        assert.throws(() => membersOfGroup(group), refused)
      } finally {
        mocked.mock.restore()
        syncBuiltinESMExports()
      }
    })
  }
})
