import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parseDefinition } from '../../lib/definition/load.ts'
import { missingPrograms, misspelt } from '../../lib/setup/configure/commands.ts'
import { configure, define, folder, small } from './run.ts'

const top = folder()
const of = (more: object) => parseDefinition(JSON.stringify({ ...small, ...more }), 'mail.json')
const commandOf = (...command: string[]) => of({ run: { command } })

describe('a placeholder that is misspelt', () => {
  for (const [text, meant] of [
    ['{partiton}', '{partition}'],
    ['--id={Partition}', '{partition}'],
    ['x{partitions}y', '{partition}'],
    ['{tokne}', '{token}'],
    ['{nodes}', '{node}'],
    ['{sevrice}', '{service}'],
  ] as const)
    test(`${text} is refused, and ${meant} proposed`, async () => {
      const found = misspelt(await commandOf('/bin/echo', text))
      assert.equal(found, `run.command[1]: holds ${/\{\w+\}/.exec(text)?.[0]}, which is no placeholder; write ${meant}`)
    })

  for (const text of ['{partition}', '{print}', '{}', '{{.Id}}', '%{http_code}', '{a}', '{json}', '{0}', '{ nodes }'])
    test(`${text} is what the command wants`, async () =>
      assert.equal(misspelt(await commandOf('/bin/echo', text)), null))

  test('is found wherever a command stands', async () => {
    const command = ['/bin/echo', '{partiton}']
    for (const [more, field] of [
      [{ run: { command: ['/bin/true'], env: { X: '{partiton}' } } }, 'run.env.X'],
      [{ stop: { command } }, 'stop.command[1]'],
      [{ stop: { gone: command } }, 'stop.gone[1]'],
      [{ hooks: { failed: command } }, 'hooks.failed[1]'],
      [{ checks: [{ name: 'a', command, interval: '10s' }] }, 'checks[0].command[1]'],
      [{ checks: [{ name: 'a', ttl: '10s', onFailure: ['restart', command] }] }, 'checks[0].onFailure[1][1]'],
    ] as const)
      assert.match(misspelt(await of(more)) ?? '', new RegExp(`^${field.replace(/[[\].]/g, '\\$&')}: holds `))
  })

  test('is refused by configure, unless it is meant', async () => {
    const file = define(top, { run: { command: ['/bin/sleep', '{partiton}'] } })
    const args = [file, '--stdout', '--node', 'n1']
    const { code, stdout, stderr } = await configure(args)
    assert.deepEqual([code, stdout], [100, ''])
    assert.equal(
      stderr,
      `configure: permanent: cannot use the definition ${file}: run.command[1]: holds {partiton}, which is no placeholder; write {partition}, or say --force if it is meant so`,
    )
    assert.equal((await configure([...args, '--force'])).code, 0)
  })
})

describe('a program that is not there', () => {
  const bin = `${top}/bin`
  mkdirSync(bin)
  writeFileSync(`${bin}/there`, '#!/bin/sh\n')
  chmodSync(`${bin}/there`, 0o755)
  writeFileSync(`${bin}/data`, '')
  const missing = async (more: object) => missingPrograms(await of(more), '/usr/bin:/bin')

  for (const command of ['sh', '/bin/sh', `${bin}/there`, '{service}'])
    test(`${command.replace(top, '')} is none`, async () =>
      assert.deepEqual(await missing({ run: { command: [command] } }), []))

  test('is named, with its field', async () => {
    assert.deepEqual(await missing({ run: { command: [`${bin}/nonesuch`] } }), [
      { field: 'run.command', program: `${bin}/nonesuch` },
    ])
    assert.deepEqual(await missing({ run: { command: ['./data'], cwd: bin } }), [
      { field: 'run.command', program: `${bin}/data` },
    ])
    assert.deepEqual(await missing({ run: { command: ['./there'], cwd: bin }, hooks: { failed: ['nonesuch'] } }), [
      { field: 'hooks.failed', program: 'nonesuch' },
    ])
  })

  test('is told by configure, which may come before it', async () => {
    const file = define(top, { run: { command: [`${bin}/nonesuch`] } }, 'later.json')
    const consulDir = folder()
    const args = [file, '--node', 'n1', '--consul-dir', consulDir, '--home', `${top}/home`, '--dry-run']
    const { code, stdout } = await configure(args)
    assert.equal(code, 0)
    assert.ok(
      stdout
        .split('\n')
        .includes(
          `MISSING: run.command of mail: ${bin}/nonesuch is no program on this machine; install it before consul reload`,
        ),
      stdout,
    )
  })
})
