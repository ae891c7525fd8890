/** `watchbill/worker` and `watchbill/client` as a user gets it: packed, installed in an empty project, run from JavaScript, checked from TypeScript. */
import assert from 'node:assert/strict'
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { execa } from 'execa'
import { readFact } from '../../lib/state/facts.ts'
import { folder, root } from '../configure/run.ts'
import { block } from '../docs/page.ts'
import { until } from '../lab/until.ts'
import { Place } from '../worker/place.ts'

const sample = `${root}/examples/one-process/worker.mjs`
const project = folder()

/** What tsc says of a file of the project with this text. */
async function checked(file: string, source: string) {
  writeFileSync(join(project, file), source)
  const flags = ['--strict', '--noEmit', '--ignoreConfig', '--target', 'es2022', '--module', 'nodenext']
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
  const options = { cwd: project, reject: false } as const
  const { exitCode, stdout } = await execa(`${root}/node_modules/.bin/tsc`, [...flags, ...types, file], options)
  return { exitCode, stdout }
}

const right = { exitCode: 0, stdout: '' }

describe('the package in an empty project', { concurrency: 1 }, () => {
  before(async () => {
    const packed = folder()
    await execa('npm', ['pack', '--pack-destination', packed], { cwd: root })
    const [tarball = ''] = readdirSync(packed)
    writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}')
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
    await execa('npm', ['install', ...quiet, join(packed, tarball)], { cwd: project })
  })

  it('runs the sample of docs/one-process.md from JavaScript', async t => {
    const [program, beats] = [join(project, 'worker.mjs'), join(project, 'beats')]
    copyFileSync(sample, program)
    const place = new Place(t, ['/usr/bin/env', `BEATS=${beats}`, process.execPath, program], { grace: 5000 })
    await place.start(place.acquire('a'), place.acquire('b', '8'))
    const count = (line: RegExp) => (readFact(beats) ?? '').split('\n').filter(beat => line.test(beat)).length
    await until('both to be handled', () => count(/^a 7 /) > 0 && count(/^b 8 /) > 0)
    const first = await place.process()
    assert.deepEqual(await place.stop(['a']), ['a'])
    const stopped = count(/^a 7 /)
    await place.start(place.acquire('c', '9'))
    await until('the third to be handled', () => count(/^c 9 /) > 0)
    assert.equal(count(/^a 7 /), stopped, 'it had stopped when it said so')
    assert.equal(await place.process(), first)
    assert.deepEqual((await place.stop(['b', 'c'])).sort(), ['b', 'c'])
    await until('it to have ended', () => /^exit 0 /.test(readFact(place.files.worker.exit) ?? ''))
    assert.match(
      readFact(place.files.worker.output) ?? '',
      /^handles a, token 7$.*^has given up a$.*^all is given up$/ms,
    )
  })

  it('has types, under which the same is right and a mistake is one', async () => {
    const text = readFileSync(sample, 'utf8')
    const typed = text
      .replace('new Map()', 'new Map<string, NodeJS.Timeout>()')
      .replace('process.env.BEATS', 'process.env.BEATS as string')
    assert.deepEqual(await checked('worker.ts', typed), right)
    const { exitCode, stdout } = await checked('worker.ts', typed.replace('return false', "return 'no'"))
    assert.notEqual(exitCode, 0)
    assert.match(stdout, /terminateFailed|not assignable/)
  })

  it('says what is missing when watchbill did not start it', async () => {
    const { exitCode, stderr } = await execa(process.execPath, [join(project, 'worker.mjs')], { reject: false })
    assert.equal(exitCode, 1)
    assert.match(stderr, /WATCHBILL_ASSIGNMENT is not set: watchbill sets it for the run.command .* "per": "instance"/)
  })

  it('has the client, with types', async () => {
    const text = block('docs/client.md', 'js')
    const typed = text
      .replace('order.document?', '(order.document as Order)')
      .replace('...order.document', '...(order.document as Order)')
    assert.deepEqual(await checked('client.ts', `${typed}interface Order { total: number }\n`), right)
    const wrong = "import { allocate } from 'watchbill/client'\nallocate('s', { document: 1 })\n"
    assert.match((await checked('wrong.ts', wrong)).stdout, /not assignable|'id' is missing/)
    writeFileSync(join(project, 'client.mjs'), text)
    const env = { CONSUL_HTTP_ADDR: '127.0.0.1:9' }
    const { exitCode, stderr } = await execa(process.execPath, ['client.mjs'], { cwd: project, env, reject: false })
    assert.equal(exitCode, 1)
    assert.match(stderr, /Temporary: cannot reach Consul at http:\/\/127\.0\.0\.1:9: .*ECONNREFUSED/)
  })

  it('has the programs too', async () => {
    const watchbill = join(project, 'node_modules/watchbill/handlers/watchbill.js')
    const { stdout } = await execa(process.execPath, [watchbill, 'guard', '--help'])
    assert.match(stdout, /USAGE watchbill guard/)
  })
})
