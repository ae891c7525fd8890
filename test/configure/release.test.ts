import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename } from 'node:path'
import { before, describe, test } from 'node:test'
import { configure, define, folder, nowhere, root, run } from './run.ts'

const top = folder()
const home = `${top}/home`
const consul = `${top}/consul.d`
mkdirSync(consul)
const definition = define(top)
const onto = (directory: string) => [definition, '--node', 'n1', '--consul-dir', consul, '--home', directory]
const current = () => `${home}/releases/${basename(readlinkSync(`${home}/current`))}`
const instance = ['--instance', 'n1:mail', '--service', 'mail', '--definition', definition, '--http-addr', nowhere]

before(async () => {
  const { code, stderr } = await configure(onto(home))
  assert.equal(code, 0, stderr)
})

describe('a release', () => {
  test('is named by the version and a hash of its contents', () => {
    const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
    assert.match(readlinkSync(`${home}/current`), new RegExp(`^releases/${version}-[0-9a-f]{8}$`))
  })

  test('is readable for everybody, its compiled code too', () => {
    for (const entry of readdirSync(current(), { recursive: true, withFileTypes: true })) {
      const { mode } = statSync(`${entry.parentPath}/${entry.name}`)
      assert.equal(mode & 0o022, 0, entry.name)
      assert.equal(mode & 0o444, 0o444, entry.name)
    }
  })

  test('has a Node of its own', async () => {
    assert.ok(lstatSync(`${home}/current/bin/node`).isFile())
    assert.equal((await run(`${home}/current/bin/node`, ['--version'])).stdout, process.version)
  })

  test('has the licences of all that is in it', () => {
    const text = (file: string) => readFileSync(`${current()}/${file}`, 'utf8')
    assert.match(text('LICENSE'), /The watchbill authors/)
    assert.match(text('LICENSE.node'), /^Node\.js is licensed for use as follows/)
    const sections = text('LICENSES').split(/^-{80}$/m)
    for (const section of sections) {
      assert.match(section, /^\S+ [0-9.]+\n\n./m)
      assert.match(section, /permission/i)
    }
    for (const name of ['citty', 'execa', 'undici', 'zod'])
      assert.ok(
        sections.some(section => section.includes(`\n${name} `)),
        name,
      )
  })

  test('runs where there is no checkout', { skip: !canHide() && 'cannot hide a directory here' }, async () => {
    const hidden = ['-rm', 'sh', '-c', `mount -t tmpfs none "$0" && shift && exec "$@"`, root, '-']
    assert.equal((await run('unshare', [...hidden, 'ls', root])).stdout, '')
    const { code, stdout } = await run('unshare', [
      ...hidden,
      `${home}/current/watchbill`,
      'guard',
      ...instance,
      '--state',
      `${top}/hidden`,
    ])
    assert.deepEqual([code, /^cannot reach Consul/.test(stdout)], [2, true])
    const again = await run('unshare', [
      ...hidden,
      `${home}/current/watchbill`,
      'configure',
      definition,
      '--node',
      'n1',
      '--stdout',
    ])
    assert.match(again.stdout, new RegExp(`${home}/current/guard.cjs`))
  })

  test('keeps compiled code that fits', async () => {
    const check = `${top}/check.cjs`
    writeFileSync(
      check,
      `process.on('exit', () => { for (const [file, script] of process.mainModule.exports)
         process.stderr.write(script.cachedDataRejected + ' ' + file.split('/').slice(-1) + '\\n') })`,
    )
    const node = `${home}/current/bin/node`
    const state = ['--state', `${top}/kept`]
    const guard = await run(node, ['-r', check, `${home}/current/guard.cjs`, ...instance, ...state])
    assert.equal(guard.stderr, 'false guard.cjs\nfalse lib.guard.after-verdict.cjs\nfalse lib.guard.figures.cjs')
    const { stderr } = await run(node, ['-r', check, `${home}/current/on-service.cjs`, ...instance, ...state])
    assert.match(stderr, /^false lib.program.once.cjs$/m)
    assert.doesNotMatch(stderr, /true/)
    const attend = await run(node, ['-r', check, `${home}/current/attend.cjs`, ...instance, ...state])
    assert.match(attend.stderr, /^false attend.cjs$/m)
    assert.ok(existsSync(`${current()}/cache/guard/lib.guard.after-tick.cjs`), 'the part for checks')
  })

  test('runs without it as well', async () => {
    const bare = `${top}/bare`
    for (const part of ['guard.cjs', 'lib']) cpSync(`${current()}/${part}`, `${bare}/${part}`, { recursive: true })
    const { code } = await run(process.execPath, [`${bare}/guard.cjs`, ...instance, '--state', `${top}/bare-state`])
    assert.equal(code, 2)
  })

  test('lists its programs, and refuses one that it has not', async () => {
    const { stdout, code } = await run(`${home}/current/watchbill`, ['--help'])
    assert.deepEqual([code, /^ {2}guard +Run by Consul/m.test(stdout)], [0, true])
    // Both entry points say the same, in the same words.
    const sources = await run(process.execPath, [`${root}/handlers/watchbill.js`, '--help'])
    assert.equal(stdout, sources.stdout)
    assert.match((await run(`${home}/current/watchbill`, ['help', 'owner'])).stdout, /^USAGE watchbill owner /m)
    assert.match((await run(`${home}/current/watchbill`, [])).stdout, /^First:$/m)
    assert.match((await run(`${home}/current/watchbill`, ['--version'])).stdout, /^watchbill \d.*\nnode \d/)
    assert.match((await run(`${home}/current/watchbill`, ['statsu'])).stderr, /did you mean status\?/)
    for (const name of ['nonesuch', '../current/guard', 'package']) {
      const refused = await run(`${home}/current/watchbill`, [name])
      assert.equal(refused.code, 100)
      assert.match(
        refused.stderr,
        /^watchbill: permanent: cannot run .*: there is no such program; see watchbill --help$/,
      )
    }
  })
})

describe('making it again', () => {
  test('changes nothing', async () => {
    const before = inodes(current())
    const { stdout } = await configure(onto(home))
    assert.match(stdout, new RegExp(`^unchanged ${current()}$`, 'm'))
    assert.deepEqual(inodes(current()), before)
  })

  test('from the release itself, elsewhere, makes the same one', async () => {
    const elsewhere = `${top}/elsewhere`
    assert.match(await fromRelease(elsewhere), new RegExp(`^built ${elsewhere}/releases/${basename(current())}$`, 'm'))
    assert.match((await run(`${elsewhere}/current/watchbill`, ['help'])).stdout, /guard/)
  })

  test('mends one that lost a file', async () => {
    const elsewhere = `${top}/elsewhere`
    const guard = `${elsewhere}/current/lib/guard.cjs`
    writeFileSync(guard, '')
    assert.match(await fromRelease(elsewhere), /^built /m)
    assert.ok(statSync(guard).size > 0)
    assert.deepEqual(readdirSync(`${elsewhere}/releases`), [basename(current())])
  })

  test('with --release-only needs neither a definition nor an agent, and writes no configuration', async () => {
    const alone = `${top}/alone`
    const args = ['configure', '--release-only', '--home', alone, '--consul-dir', `${top}/none`]
    const { code, stdout, stderr } = await run(`${home}/current/watchbill`, args, { CONSUL_HTTP_ADDR: nowhere })
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(stdout, `built ${alone}/releases/${basename(current())}`)
    assert.equal(readlinkSync(`${alone}/current`), `releases/${basename(current())}`)
  })

  test('with another Node makes another one, and puts that in force', async () => {
    const before = current()
    const { stdout, stderr } = await configure([...onto(home), '--node-binary', process.execPath])
    assert.match(stdout, /^built /m, stderr)
    assert.notEqual(current(), before)
    assert.equal(readlinkSync(`${home}/current/bin/node`), process.execPath)
    assert.ok(!readdirSync(current()).includes('LICENSE.node'), 'it carries none')
    assert.equal((await run(`${home}/current/watchbill`, ['--help'])).code, 0)
  })
})

test('three at once make one', async () => {
  const shared = `${top}/shared`
  const args = [...onto(shared), '--node-binary', process.execPath]
  const ends = await Promise.all([1, 2, 3].map(() => configure(args)))
  assert.deepEqual(
    ends.map(({ code, stderr }) => [code, stderr]),
    Array(3).fill([0, '']),
  )
  assert.deepEqual(readdirSync(shared).sort(), ['current', 'releases'])
  assert.deepEqual(readdirSync(`${shared}/releases`), [basename(readlinkSync(`${shared}/current`))])
})

/** The release configures another home. @returns what it says */
async function fromRelease(directory: string): Promise<string> {
  const { stdout, stderr } = await run(`${home}/current/watchbill`, ['configure', ...onto(directory)], {
    CONSUL_HTTP_ADDR: nowhere,
  })
  assert.equal(stderr, '')
  return stdout
}

function inodes(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map(entry => `${entry.parentPath}/${entry.name}`)
    .sort()
    .map(file => `${file} ${statSync(file).ino} ${statSync(file).size}`)
}

function canHide(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', root], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
