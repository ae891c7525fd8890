/** What docs/finding-the-owner.md and docs/client.md print, run as it is printed, against a real Consul. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { before, describe, it } from 'node:test'
import { build } from 'esbuild'
import { execa } from 'execa'
import { encode, idRefusal, keysOf } from '../../lib/base/names.ts'
import { owner, partitions } from '../../lib/client/client/client.ts'
import { Consul } from '../../lib/consul/http.ts'
import { base64, transact } from '../../lib/consul/kv.ts'
import { cleanValue, heldValue } from '../../lib/keys/lock.ts'
import { enter, processes, settled, stage } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { haveProgram, howToGet } from '../lab/debian.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { block } from './page.ts'

const finding = 'docs/finding-the-owner.md'
const client = 'docs/client.md'

/** Ids of every kind that a partition may have, one that is the beginning of another among them. */
const ids = [
  ...[
    '7',
    '70',
    '7.0',
    'Ünïcode',
    'Ünï',
    '日本',
    '한국어',
    'ελ/λην',
    'عربي',
    '٣',
    '½',
    'Ⅷ',
    '𝔘𝔫',
    '😀',
    'e\u0301',
    'é',
    'a\u0301',
  ],
  ...[
    'a/b',
    'a:b',
    'a_b',
    'a-b',
    '-dash',
    '--help',
    '.dot',
    'www.x.com',
    "it's",
    '"quoted"',
    'back\\slash',
    '~',
    '!*()',
    "'",
  ],
  ...[
    '50%',
    '%41',
    '%',
    '{partition}',
    '<b>&',
    '$HOME',
    '`id`',
    '#',
    '?',
    'a+b',
    'a=b',
    '@',
    ',',
    ';',
    '|',
    '^',
    'x'.repeat(200),
  ],
]
/** Those that may only be there from before. */
const old = ['tenant one', ' a', '..', 'x/y..z']

const needed = ['jq', 'curl', 'python3'] as const
const missing: string[] = []
for (const name of needed) if (!(await haveProgram(name, name, console.error))) missing.push(howToGet(name, name))

describe('the programs of the pages', { concurrency: 1, skip: missing.join('; ') || false }, () => {
  const cluster = sharedCluster({ clients: 0 })
  const agent = () => cluster().agents[0] as Agent
  /** As the pages have it: host:port. */
  const env = () => ({ CONSUL_HTTP_ADDR: agent().http.replace('http://', '') })
  const file = (name: string, text: string) => {
    const path = join(cluster().root, name)
    writeFileSync(path, text)
    return path
  }

  describe('that find the owner', () => {
    const keys = keysOf('work')
    before(async () => {
      const consul = new Consul({ env: env() })
      const { ID } = await agent().api<{ ID: string }>('PUT', '/v1/session/create', {})
      const all = [...ids, ...old]
      const value = (id: string) => ({
        instance: `${id}:work`,
        acquisition: '1',
        lease: 1,
        grace: 1,
        since: '',
        version: '',
      })
      await transact(consul, [{ Verb: 'set', Key: keys.revision, Value: base64('{}') }])
      for (const id of all) {
        await transact(consul, [{ Verb: 'lock', Key: keys.lock(id), Session: ID, Value: base64(heldValue(value(id))) }])
      }
      for (const id of ['free', 'nobody/hére']) {
        await transact(consul, [{ Verb: 'set', Key: keys.lock(id), Value: base64(cleanValue('')) }])
      }
      await transact(consul, [{ Verb: 'set', Key: `${keys.locks}%zz`, Value: base64('not ours') }])
      consul.close()
    })

    // One process for all ids, where that is another language than the shell: it runs the page's program once for each.
    const asked: Record<string, (all: readonly string[]) => Promise<string[]>> = {
      async sh(all) {
        const script = file('owner.sh', block(finding, 'sh'))
        const loop = 'for id; do sh "$0" work "$id" || { [ $? = 1 ] && echo nobody; } || exit; done'
        const { stdout } = await execa('sh', ['-c', loop, script, ...all], { env: env() })
        return stdout.split('\n')
      },
      async python(all) {
        const script = file('owner.py', block(finding, 'python'))
        const loop = 'import runpy, sys\nfor i in all:\n  sys.argv = [script, "work", i]\n  runpy.run_path(script)'
        const code = `import sys\nscript, *all = sys.argv[1:]\n${loop}`
        const { stdout } = await execa('python3', ['-c', code, script, ...all], { env: env() })
        return stdout.split('\n')
      },
      async js(all) {
        const script = file('owner.mjs', block(finding, 'js'))
        const code = `const [script, ...all] = process.argv.slice(1)
          for (const id of all) {
            process.argv = ['node', script, 'work', id]
            await import(\`\${script}?\${Math.random()}\`)
          }`
        const args = ['--input-type=module', '-e', code, '--', script, ...all]
        const { stdout } = await execa(process.execPath, args, { env: env() })
        return stdout.split('\n')
      },
      async 'js, with the client'(all) {
        return Promise.all(all.map(async id => (await owner('work', id, { env: env() })) ?? 'nobody'))
      },
    }
    for (const [language, ask] of Object.entries(asked)) {
      it(`are right in ${language} for every id`, async () => {
        const expected = new Map([
          ...[...ids, ...old].map(id => [id, `${id}:work`] as const),
          ...['free', 'nobody/hére', 'none', 'Ü', '日', 'fre'].map(id => [id, 'nobody'] as const),
        ])
        assert.deepEqual(await ask([...expected.keys()]), [...expected.values()])
      })
    }

    for (const [program, script, language] of [
      ['sh', 'owner.sh', 'sh'],
      ['python3', 'owner.py', 'python'],
      [process.execPath, 'owner.mjs', 'js'],
    ] as const) {
      it(`do not take a Consul that does not answer for nobody, in ${language}`, async () => {
        const path = file(script, block(finding, language))
        const away = { CONSUL_HTTP_ADDR: '127.0.0.1:9' }
        const { exitCode, stdout } = await execa(program, [path, 'work', '7'], { env: away, reject: false })
        assert.deepEqual([exitCode, stdout], [program === 'sh' ? 2 : 1, ''])
      })
    }
  })

  describe('that change the set', () => {
    const python = async (...args: string[]) => {
      const script = file('client.py', block(client, 'python'))
      const { stdout } = await execa('python3', [script, ...args], { env: env() })
      return JSON.parse(stdout)
    }
    const known = async (service: string) => {
      const there = await partitions(service, { env: env() })
      return new Map(there.map(({ id, document }) => [id, document]))
    }
    const definition = () => {
      const { name, partitions } = JSON.parse(block(client, 'json'))
      return stage(cluster(), name, 'quiet', { partitions })
    }

    it('refuse a service that has no set', async () => {
      await assert.rejects(
        python('allocate', 'orders', 'order-1'),
        /LookupError: watchbill keeps no partition set of orders/,
      )
    })

    it('add, change and remove partitions that run, in Node', async () => {
      await enter(definition(), [agent()])
      await settled(definition(), [agent()])
      const source = file('sample.mjs', block(client, 'js'))
      const outfile = join(cluster().root, 'sample-built.mjs')
      const alias = { 'watchbill/client': resolve(import.meta.dirname, '../../lib/client/client/client.ts') }
      await build({ entryPoints: [source], outfile, alias, bundle: true, format: 'esm', platform: 'node' })
      const { stdout } = await execa(process.execPath, [outfile], { env: env() })
      assert.match(stdout, /^\[ 'order-2' \] (null|s1:orders)$/)
      const runs = (...expected: string[]) =>
        until(
          `${expected} to run`,
          see => see([...processes(agent(), definition().definition).keys()].sort().join()) === expected.join(),
          {
            deadline: 30_000,
          },
        )
      await runs('order-1', 'order-2')
      assert.deepEqual(
        await known('orders'),
        new Map<string, unknown>([
          ['order-1', { total: 12, large: true }],
          ['order-2', undefined],
        ]),
      )
      assert.equal(await owner('orders', 'order-1', { env: env() }), 's1:orders')
    })

    it('add one with curl, once', async () => {
      const script = file('client.sh', block(client, 'sh'))
      const { stdout } = await execa('sh', [script], { env: env() })
      assert.deepEqual(JSON.parse(stdout).Errors, null)
      assert.deepEqual((await known('orders')).get('order-7'), { total: 7 })
      await until('it to run', () => processes(agent(), definition().definition).has('order-7'), { deadline: 30_000 })
      const again = await execa('sh', [script], { env: env() })
      assert.deepEqual(
        JSON.parse(again.stdout).Errors.map(({ OpIndex }: { OpIndex: number }) => OpIndex),
        [1, 2],
      )
    })

    it('do so in Python, for every id, under conditions', async () => {
      assert.equal(await python('allocate', 'orders', 'Ü/1', '{"total": 1, "für": "ß"}'), true)
      assert.equal(await python('allocate', 'orders', 'Ü/1', '2'), false)
      const [document, index] = await python('read', 'orders', 'Ü/1')
      assert.deepEqual(document, { total: 1, für: 'ß' })
      await until('it to run', () => processes(agent(), definition().definition).has('Ü/1'), { deadline: 30_000 })
      assert.equal(await python('change', 'orders', 'Ü/1', '{"total": 2}', String(index)), true)
      assert.equal(await python('change', 'orders', 'Ü/1', '{"total": 3}', String(index)), false)
      assert.equal(await python('deallocate', 'orders', 'Ü/1', String(index)), false)
      const [, now] = await python('read', 'orders', 'Ü/1')
      assert.equal(await python('deallocate', 'orders', 'Ü/1', String(now)), true)
      // At once: its lock is still there, and is left as it is.
      assert.equal(await python('allocate', 'orders', 'Ü/1'), true)
      assert.equal(await python('read', 'orders', 'none'), null)
      await settled(definition(), [agent()])
    })

    it('encode each id in Python as watchbill does', async () => {
      file('ids.json', JSON.stringify(ids))
      const script = `import json, runpy\nencode = runpy.run_path("client.py")["encode"]\nprint(json.dumps([encode(i) for i in json.load(open("ids.json"))]))`
      file('client.py', block(client, 'python'))
      const { stdout } = await execa('python3', ['-c', script], { cwd: cluster().root })
      assert.deepEqual(JSON.parse(stdout), ids.map(encode))
      assert.deepEqual(
        ids.filter(id => idRefusal(keysOf('work'), id)),
        [],
        'they may be added',
      )
    })
  })
})
