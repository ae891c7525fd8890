/** What `configure` does for rendered files: an observer's configuration, and two services that render into one file. */
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, it, test } from 'node:test'
import { Permanent } from '../../lib/base/errors.ts'
import { loadDefinition, parseDefinition } from '../../lib/definition/load.ts'
import { missingPrograms, misspelt } from '../../lib/setup/configure/commands.ts'
import { consulConfig } from '../../lib/setup/configure/consul-config.ts'
import { mustRenderApart } from '../../lib/setup/configure/rendered-twice.ts'
import { smallest } from '../definition/samples.ts'
import { directory } from '../fixtures/state.ts'

const template = '/t.liquid'
const place = {
  instance: 'n1:mail',
  definitionFile: '/etc/watchbill/mail.json',
  node: '/run',
  programs: '/lib',
  more: [],
}

test('an observer is a service of its own, with a check and two watches', async () => {
  const given = { name: 'mail', role: 'observer', render: [{ template, dest: '/x' }], guard: { interval: '3s' } }
  const { services, watches } = consulConfig(await parseDefinition(JSON.stringify(given), 'mail.json'), place)
  const args = [
    '/run',
    '/lib/observe.cjs',
    '--instance',
    'n1:mail',
    '--service',
    'mail',
    '--definition',
    place.definitionFile,
  ]
  const check = {
    id: 'mail-observer',
    name: 'watchbill observer',
    args,
    interval: '3s',
    timeout: '30s',
    status: 'passing',
  }
  assert.deepEqual(services, [{ name: 'mail-observer', id: 'mail-observer', checks: [check] }])
  assert.deepEqual(watches, [
    { type: 'service', service: 'mail', handler_type: 'script', args: [...args, '--watch', 'service'] },
    { type: 'keyprefix', prefix: 'watchbill/mail/spec/', handler_type: 'script', args: [...args, '--watch', 'spec'] },
  ])
})

test('the commands of rendered files are looked at like all others; an observer has no command to run', async () => {
  const file = { template, dest: '/x', check: ['/no/such/program', '{file}'], command: ['/bin/true', '{servce}'] }
  const definition = await parseDefinition(
    JSON.stringify({ name: 'mail', role: 'observer', render: [file] }),
    'mail.json',
  )
  assert.deepEqual(missingPrograms(definition), [{ field: 'render[0].check', program: '/no/such/program' }])
  assert.equal(misspelt(definition), 'render[0].command[1]: holds {servce}, which is no placeholder; write {service}')
})

describe('two services that render into one file', () => {
  const cases: [what: string, one: string, other: string, refused: boolean][] = [
    ['the same file', 'DIR/a.conf', 'DIR/a.conf', true],
    ['another file', 'DIR/a.conf', 'DIR/b.conf', false],
    ['another directory', 'DIR/a.conf', 'DIR/sub/a.conf', false],
    ['the same directory by a link', 'DIR/sub/a.conf', 'DIR/link/a.conf', true],
    ['a file for each partition, of which one may be it', 'DIR/{partition}.conf', 'DIR/a.conf', true],
    ['a file for each partition, none of which can be it', 'DIR/p-{partition}.conf', 'DIR/a.conf', false],
    ['a name too short for an id', 'DIR/a{partition}.conf', 'DIR/a.conf', false],
    ['two files for each partition', 'DIR/a-{partition}.conf', 'DIR/{partition}-x.conf', true],
    ['two files for each partition that cannot meet', 'DIR/a-{partition}.conf', 'DIR/b-{partition}.conf', false],
    ['a link to the file of the other', 'DIR/to-real', 'DIR/real', true],
    ['a link to another file', 'DIR/to-real', 'DIR/a.conf', false],
    ['a directory of any version', 'DIR/{version}/a.conf', 'DIR/1.0/a.conf', true],
    ['a directory of any version, by a link', 'DIR/{version}/a.conf', 'DIR/to/sub/a.conf', true],
    ['another file in the directory of any version', 'DIR/{version}/a.conf', 'DIR/1.0/b.conf', false],
    ['a version never stands for two directories', 'DIR/{version}/a.conf', 'DIR/1.0/x/a.conf', false],
    ['a version and a partition', 'DIR/{version}-{partition}', 'DIR/x-y-z', true],
    ['a version and a partition that cannot be', 'DIR/{version}-{partition}', 'DIR/x-', false],
  ]
  for (const [what, one, other, refused] of cases) {
    it(`are ${refused ? 'refused' : 'taken'}: ${what}`, async t => {
      const dir = directory(t)
      mkdirSync(`${dir}/sub`)
      symlinkSync(`${dir}/sub`, `${dir}/link`)
      writeFileSync(`${dir}/real`, '')
      symlinkSync(`${dir}/real`, `${dir}/to-real`)
      symlinkSync(dir, `${dir}/to`)
      const service = async (name: string, dest: string) => {
        const each = dest.includes('{partition}') ? { each: 'partition' } : {}
        const file = `${dir}/${name}.json`
        const render = [{ template, dest: dest.replace('DIR', dir), ...each, follow: true }]
        writeFileSync(file, JSON.stringify({ ...smallest, name, render, versions: { pattern: '^.*$' } }))
        return { file, definition: await loadDefinition(file) }
      }
      const [first, second] = [await service('first', one), await service('second', other)]
      const line = `cannot use the definition ${dir}/first.json: render[0].dest: ${one.replace('DIR', dir)} is rendered by render[0].dest of ${dir}/second.json (second) too; give one of them another dest`
      // Once in one run, and once with the other configured before.
      mkdirSync(`${dir}/consul.d`)
      const args = ['/run', '/lib/on-service.cjs', '--instance', 'n1:second', '--definition', second.file]
      writeFileSync(`${dir}/consul.d/watchbill-second.json`, JSON.stringify({ watches: [{ args }] }))
      for (const asked of [mustRenderApart([first, second], null), mustRenderApart([first], `${dir}/consul.d`)]) {
        const error = await asked.then(
          () => null,
          thrown => thrown,
        )
        assert.equal(error instanceof Permanent, refused, String(error))
        if (refused) assert.equal(error.message, line)
      }
      await mustRenderApart([second], `${dir}/consul.d`) // itself, written before
    })
  }

  it('also when one definition does so itself', async () => {
    const render = [
      { template, dest: '/etc/{partition}.conf', each: 'partition' },
      { template, dest: '/etc/0.conf' },
    ]
    const definition = await parseDefinition(JSON.stringify({ ...smallest, render }), 'one.json')
    await assert.rejects(
      mustRenderApart([{ file: '/one.json', definition }], null),
      /render\[0\]\.dest: \/etc\/\{partition\}\.conf is rendered by render\[1\]\.dest too; /,
    )
  })
})
