import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  cpSync,
  globSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { transform } from 'esbuild'
import { programNames } from '../../lib/setup/release/bundle.ts'
import { folder, root, run } from '../configure/run.ts'

const bin = `${root}/handlers/watchbill.js`
const watchbill = (...args: string[]) => run(process.execPath, [bin, ...args])

describe('watchbill', () => {
  test('lists every program, with a line on each', async () => {
    for (const args of [['help'], ['--help'], ['-h']]) {
      const { code, stdout } = await watchbill(...args)
      assert.equal(code, 0)
      const lines = new Map([...stdout.matchAll(/^ {2}(\S+) +(\S.*)$/gm)].map(([, name, about]) => [name, about]))
      assert.deepEqual([...lines.keys()].sort(), programNames())
    }
  })

  test('says in one line that its output cannot be written', async () => {
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [`${root}/handlers/help.ts`], { stdio: ['ignore', full, 'pipe'] })
    const [stderr, [code]] = await Promise.all([text(child.stderr as Readable), once(child, 'close')])
    closeSync(full)
    assert.match(stderr, /^help: temporary: cannot write the output: ENOSPC[^\n]*\n$/)
    assert.equal(code, 111)
  })

  test('alone says what to do first, with commands that there are', async () => {
    const { code, stdout } = await watchbill()
    assert.equal(code, 0)
    assert.ok(stdout.split('\n').length < 20)
    const named = [...stdout.matchAll(/^ {2}watchbill (\S+)/gm)].map(([, name = '']) => name)
    assert.ok(named.length >= 5)
    for (const name of named) assert.ok(programNames().includes(name), name)
  })

  test('says its version, that of its Node, and that of the Consul that it reaches', async () => {
    const own = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')).version
    const away = await run(process.execPath, [bin, '--version'], { CONSUL_HTTP_ADDR: '127.0.0.1:1' })
    assert.equal(away.code, 0)
    const [first, node, consul] = away.stdout.split('\n')
    assert.deepEqual([first, node], [`watchbill ${own}`, `node ${process.versions.node}`])
    assert.match(consul ?? '', /^consul: cannot reach Consul at http:\/\/127\.0\.0\.1:1/)
    const server = createServer((_, answer) => answer.end('{"Config":{"Version":"1.8.7"}}'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const reached = await run(process.execPath, [bin, '--version'], { CONSUL_HTTP_ADDR: `127.0.0.1:${port}` })
    server.close()
    assert.match(reached.stdout, /^consul 1\.8\.7, at /m)
  })

  test('knows what a typing mistake was meant to be', async () => {
    const { code, stderr } = await watchbill('statsu')
    const line = 'cannot run statsu: there is no such program (did you mean status?); see watchbill --help'
    assert.deepEqual([code, stderr], [100, `watchbill: permanent: ${line}`])
    assert.match((await watchbill('owner', 'svc', '0', '--jsom')).stderr, /no option --jsom \(did you mean --json\?\)/)
    assert.match((await watchbill('--versoin')).stderr, /^watchbill: permanent: cannot run --versoin: /)
  })

  test('help of a program is its own', async () => {
    assert.deepEqual(await watchbill('help', 'owner'), await watchbill('owner', '--help'))
    assert.equal((await watchbill('help', 'ownr')).code, 100)
  })

  test('refuses a program that it has not', async () => {
    const line = 'watchbill: permanent: cannot run nonesuch: there is no such program; see watchbill --help'
    assert.deepEqual(await watchbill('nonesuch'), { code: 100, stdout: '', stderr: line })
    assert.equal((await watchbill('../lib/guard/guard')).code, 100)
  })

  test('passes arguments on, and the exit code back', async () => {
    const { code, stderr } = await watchbill('guard', '--nonesuch')
    assert.deepEqual([code, /^guard: permanent: /.test(stderr)], [100, true])
    assert.match((await watchbill('guard', '--help')).stdout, /USAGE watchbill guard/)
  })
})

describe('where the package is installed below node_modules', () => {
  const top = folder()
  const installed = `${top}/node_modules/watchbill`
  mkdirSync(`${installed}/handlers`, { recursive: true })
  cpSync(bin, `${installed}/handlers/watchbill.js`)
  cpSync(`${root}/package.json`, `${installed}/package.json`)
  cpSync(`${root}/lib/program/typescript.mjs`, `${installed}/lib/program/typescript.mjs`)
  program('echo', `console.log(process.argv.slice(2).join(' ') as string)`)
  program(
    'wait',
    `process.on('SIGTERM', () => process.exit(7)); console.log('ready' as string); setInterval(() => {}, 1e6)`,
  )
  program('who', `console.log(process.pid as number)`)
  program('die', `process.kill(process.pid, 'SIGKILL')`)
  const here = `${installed}/handlers/watchbill.js`

  function program(name: string, source: string): void {
    writeFileSync(`${installed}/handlers/${name}.ts`, `const about = 'about: ${name}'\n${source}\n`)
  }

  test('it runs TypeScript, with nothing else installed', async () => {
    const { code, stdout, stderr } = await run(process.execPath, [here, 'echo', 'a b', '--c'])
    assert.deepEqual([code, stdout, stderr], [0, 'a b --c', ''])
  })

  test('it becomes the program, with the same pid', async () => {
    const child = spawn(process.execPath, [here, 'who'], { stdio: ['ignore', 'pipe', 'inherit'] })
    assert.equal(await text(child.stdout), `${child.pid}\n`)
  })

  const without = `${top}/without.mjs`
  writeFileSync(without, 'delete process.execve')
  for (const [what, nodeArgs] of Object.entries({
    '': [],
    ', where Node cannot become another': ['--import', without],
  })) {
    test(`a signal goes through to the program, and its exit code comes back${what}`, async () => {
      const child = spawn(process.execPath, [...nodeArgs, here, 'wait'], { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout, 'data')
      child.kill('SIGTERM')
      assert.deepEqual(await once(child, 'exit'), [7, null])
    })

    test(`a program that a signal ends, ends it by the same${what}`, async () => {
      const child = spawn(process.execPath, [...nodeArgs, here, 'die'], { stdio: 'ignore' })
      assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'])
    })
  }

  test('an old Node says what is needed, or has the installed one run the program', async () => {
    // Only its version is old: the file itself is parsed for an old one below.
    const pretend = `${top}/old.mjs`
    writeFileSync(pretend, `Object.defineProperty(process.versions, 'node', { value: '18.20.4' })`)
    const old = () => run(process.execPath, ['--import', pretend, here, 'echo', 'hello'])
    const refused = await old()
    assert.equal(refused.code, 100)
    assert.match(
      refused.stderr,
      /^watchbill: permanent: cannot run echo: it needs Node 22\.19 or later, this is v\d.*; run it with that, or npm install node@24 beside watchbill$/,
    )
    mkdirSync(`${installed}/node_modules/node/bin`, { recursive: true })
    writeFileSync(`${installed}/node_modules/node/package.json`, '{"name":"node","version":"24.0.0"}')
    writeFileSync(`${installed}/node_modules/node/bin/node`, `#!/bin/sh\necho its own\nexec ${process.execPath} "$@"\n`)
    chmodSync(`${installed}/node_modules/node/bin/node`, 0o755)
    assert.deepEqual(await old(), { code: 0, stdout: 'its own\nhello', stderr: '' })
  })
})

describe('in a temporary directory of someone else', () => {
  // A cache there would be code that its owner chose: run as root, it would be root's.
  const temporary = folder()
  const deep = folder()
  const installed = `${deep}/node_modules/watchbill`
  mkdirSync(installed, { recursive: true })
  for (const part of ['handlers', 'lib', 'package.json'])
    cpSync(`${root}/${part}`, `${installed}/${part}`, { recursive: true })
  symlinkSync(`${root}/node_modules`, `${installed}/node_modules`)

  for (const [what, args] of [
    ['watchbill of a checkout', [bin, 'status', '--help']],
    ['watchbill of an installed package', [`${installed}/handlers/watchbill.js`, 'status', '--help']],
    ['a program of a checkout by itself', [`${root}/handlers/status.ts`, '--help']],
  ] as const) {
    test(`${what} reads and leaves nothing`, async () => {
      const { code, stdout, stderr } = await run(process.execPath, args, { TMPDIR: temporary })
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, /USAGE watchbill status/)
      assert.deepEqual(readdirSync(temporary), [])
    })
  }

  test('no page names a command that keeps one', () => {
    for (const page of globSync(['README.md', 'CONTRIBUTING.md', 'docs/**/*.md', 'examples/**/*.{md,ts}'], {
      cwd: root,
    })) {
      assert.ok(!/\btsx\b/.test(readFileSync(`${root}/${page}`, 'utf8')), page)
    }
  })
})

test('an old Node can parse it', async () => {
  const source = readFileSync(bin, 'utf8')
  const [now, then] = await Promise.all(
    ['esnext', 'node12.20'].map(target => transform(source, { target, format: 'esm' })),
  )
  assert.equal(then?.code, now?.code)
})
