/** `watchbill render` and `observe` as people and Consul run them. */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { readSeen } from '../../lib/state/renders.ts'
import { runProgram } from '../handlers/support/programs.ts'
import { until } from '../lab/until.ts'
import { stage } from './stage.ts'

const one = { template: 'DIR/t.liquid', dest: 'DIR/out/a.conf' }

async function programs(t: TestContext, files: readonly Record<string, unknown>[] = [one]) {
  const at = await stage(t, { files })
  const { run, fake, dir } = at
  const state = dirname(run.files.directory)
  const reach = ['--state', state, '--http-addr', fake.consul.address.origin]
  const own = ['--instance', 'c:svc', '--service', 'svc', '--definition', run.definitionFile]
  return {
    ...at,
    file: `${dir}/out/a.conf`,
    shown: (...args: string[]) => runProgram('render', { args: ['svc', ...args, ...reach] }),
    observe: (stdin = '', ...args: string[]) => runProgram('observe', { args: [...own, ...reach, ...args], stdin }),
  }
}

describe('watchbill render', () => {
  it('says when no instance here renders', async t => {
    const { shown } = await programs(t)
    const { code, stderr } = await shown()
    assert.equal(code, 100)
    assert.match(
      stderr,
      /^render: permanent: cannot find files of svc: no instance of it on this machine renders any; /,
    )
  })

  it('shows how the files stand, what would change, and renders now', async t => {
    const { shown, render, file, free } = await programs(t)
    await render()
    assert.match((await shown()).stdout, /^c:svc: 1 files written; last changed \S+Z\n$/)
    assert.equal((await shown('--dry-run')).stdout, 'c:svc: the files are as they should be\n')
    free('0')
    const { stdout } = await shown('--dry-run')
    assert.deepEqual(stdout.split('\n').slice(1), [
      `+++ ${file} (as rendered)`,
      '@@ -1,2 +1,2 @@',
      '-0=10.0.0.1',
      '+0=',
      ' 1=10.0.0.2',
      'c:svc: would change 1 files',
      '',
    ])
    assert.equal(readFileSync(file, 'utf8'), '0=10.0.0.1\n1=10.0.0.2\n')
    appendFileSync(file, 'by hand\n')
    assert.equal((await shown('--once')).stdout, `c:svc: rendered ${file}\n`)
    assert.equal(readFileSync(file, 'utf8'), '0=\n1=10.0.0.2\n')
  })

  it('exits 1 when something is wrong, and says what', async t => {
    const { shown, render, template } = await programs(t)
    template('{{ nothing }}')
    await render()
    const { code, stdout } = await shown()
    assert.equal(code, 1)
    assert.match(
      stdout,
      /^problem: cannot render \S+: t\.liquid: undefined variable: nothing, line:1, col:4; what is there stays$/m,
    )
    assert.deepEqual(JSON.parse((await shown('--json')).stdout)[0].problems.length, 1)
  })
})

describe('an observer', () => {
  it('starts a render when something has changed, and none when nothing has', async t => {
    const { observe, file, run, fake, hold } = await programs(t)
    assert.deepEqual(await observe().then(({ code, stdout }) => ({ code, stdout })), {
      code: 0,
      stdout: '0 files rendered\n',
    })
    await until('the first render', () => readSeen(run.files)?.mark)
    assert.equal(readFileSync(file, 'utf8'), '0=10.0.0.1\n1=10.0.0.2\n')
    fake.requests.length = 0
    assert.equal((await observe()).stdout, '1 files rendered\n')
    assert.equal(fake.requests.length, 2, 'it asks for two indexes, and starts nothing')
    hold('0', 'b')
    await observe()
    await until('the second render', () => !/^0=10\.0\.0\.1$/m.test(readFileSync(file, 'utf8')))
  })

  it('is passing when Consul does not answer, and says so', async t => {
    const { observe, render, fake } = await programs(t)
    await render()
    fake.script = () => ({ status: 500, text: 'no leader' })
    const { code, stdout } = await observe()
    assert.equal(code, 0)
    assert.match(stdout, /^not rendered: cannot GET .*: Consul answered 500 no leader; it is tried again\n$/)
  })

  it('renders at once when a watch tells of a change, and not when it tells the same again', async t => {
    const { observe, file, run } = await programs(t)
    const input = JSON.stringify([{ Key: 'watchbill/svc/spec/revision', ModifyIndex: 7 }])
    assert.match((await observe(input, '--watch', 'spec')).stdout, /^c:svc: something has changed: renders\n$/)
    await until('the render', () => existsSync(file) && readSeen(run.files)?.mark)
    assert.equal((await observe(input, '--watch', 'spec')).stdout, '')
    assert.equal((await observe('{', '--watch', 'spec')).code, 100)
  })

  it('makes no session, takes no lock, and writes no key but its own', async t => {
    const { render, fake, template } = await programs(t)
    template('{{ nothing }}')
    await render()
    const writes = fake.requests.flatMap(({ method, path, operations }) => [
      ...operations.flatMap(({ Verb, Key }) => (/^(get|check)/.test(Verb) ? [] : [`${Verb} ${Key}`])),
      ...(method !== 'GET' && !path.startsWith('/v1/txn') ? [path] : []),
    ])
    assert.deepEqual(writes, ['set watchbill/svc/render/c:svc'])
  })
})
