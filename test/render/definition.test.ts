/** The fields about rendered files in a definition, and what an observer's definition holds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Permanent } from '../../lib/base/errors.ts'
import { sharedDigest } from '../../lib/definition/digest.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { smallest } from '../definition/samples.ts'

const file = { template: '/etc/watchbill/a.liquid', dest: '/etc/app/a.conf' }
const load = (value: unknown) => parseDefinition(JSON.stringify(value), 'consumer.json')
const withFiles = (...render: unknown[]) => ({ ...smallest, render })

test('a file gets its defaults, and what is left out stays out', async () => {
  const { render, role, templateVariables } = await load(withFiles(file))
  assert.deepEqual(render, [{ ...file, mode: 0o644, backups: 0 }])
  assert.equal(role, undefined)
  assert.equal(templateVariables, undefined)
})

test('a file that says everything is taken at its word', async () => {
  const each = {
    template: '/t/p.liquid',
    dest: '/etc/app/{partition}.conf',
    each: 'partition',
    mode: '600',
    owner: 'root:adm',
    check: ['app', '--check={file}'],
    command: ['systemctl', 'reload', '{service}'],
    backups: 3,
    clean: '/etc/app/*.conf',
    follow: true,
    order: 'beforeStart',
  }
  const { render, templateVariables } = await load({ ...withFiles(each, file), variables: { a: 1, b: 'x', c: true } })
  assert.deepEqual(render?.[0], { ...each, mode: 0o600 })
  assert.deepEqual(templateVariables, { a: 1, b: 'x', c: true })
})

test('machines of one service may render different files', async () => {
  const [one, other] = [await load(withFiles(file)), await load(smallest)]
  assert.equal(sharedDigest(one), sharedDigest(other))
})

const refused: [what: string, value: unknown, line: string][] = [
  ['none', { ...smallest, render: [] }, 'render: is empty; remove it, or give a file'],
  [
    'an unknown field',
    withFiles({ ...file, destination: '/x' }),
    'render[0].destination: is an unknown field; the fields here are template, dest, each, mode, owner, check, command, backups, clean, follow, order',
  ],
  [
    'a relative path',
    withFiles({ ...file, dest: 'a.conf' }),
    'render[0].dest: cannot be a string; give an absolute path without ".." or empty parts in it',
  ],
  [
    'a way out',
    withFiles({ ...file, dest: '/etc/app/../passwd' }),
    'render[0].dest: cannot be a string; give an absolute path without ".." or empty parts in it',
  ],
  [
    'over its own template, or that of another file',
    withFiles({ ...file, dest: '/etc/app/b.conf' }, { template: '/t', dest: file.template }),
    'render[1].dest: is a template; give another file',
  ],
  ['twice', withFiles(file, file), 'render[1].dest: is there twice; keep one'],
  [
    'a partition in one file',
    withFiles({ ...file, dest: '/etc/{partition}.conf' }),
    'render[0].dest: holds {partition}, but it is one file; give "each": "partition", or remove it',
  ],
  [
    'a directory for each partition',
    withFiles({ ...file, each: 'partition', dest: '/etc/{partition}/a.conf' }),
    'render[0].dest: holds {partition} in a directory; write it into the name',
  ],
  [
    'one file for all',
    withFiles({ ...file, each: 'partition' }),
    'render[0].dest: is one file for all partitions; write {partition} into its name',
  ],
  [
    'another word',
    withFiles({ ...file, dest: '/etc/{token}.conf' }),
    'render[0].dest: holds {token}; only {partition} and {version} are replaced here',
  ],
  [
    'a version without versions',
    withFiles({ ...file, dest: '/etc/{version}/a.conf' }),
    'render[0].dest: has {version}, and the definition has no "versions"; say there which may be rolled out',
  ],
  [
    'a version in what is cleaned',
    withFiles({ ...file, clean: '/etc/app/*-{version}.conf' }),
    'render[0].clean: holds {version}; write * where any version may stand',
  ],
  [
    'an observer that prepares versions',
    { name: 'consumer', role: 'observer', render: [file], versions: { pattern: '^\\d+$', prepare: ['true'] } },
    'versions.prepare: is not for an observer, which prepares nothing; remove it',
  ],
  [
    'set-uid',
    withFiles({ ...file, mode: '4755' }),
    'render[0].mode: cannot be "4755"; give permissions in octal, such as "0644" or "0600"',
  ],
  [
    'an owner that looks like an option',
    withFiles({ ...file, owner: '--reference=/etc/shadow' }),
    'render[0].owner: cannot be "--reference=/etc/shadow"; give a user, or a user and a group: "www-data" or "root:adm"',
  ],
  [
    'a check of something else',
    withFiles({ ...file, check: ['nginx', '-t'] }),
    'render[0].check: does not name the new file; write {file} where its path belongs',
  ],
  [
    'a command for one file',
    withFiles({ ...file, command: ['reload', '{file}'] }),
    'render[0].command[1]: has {file}, but runs once for all files; only {service}, {node}, {instance}, {version} are replaced',
  ],
  [
    'a pattern without a star',
    withFiles({ ...file, clean: '/etc/app/a.conf' }),
    'render[0].clean: cannot be a string; give an absolute path with a "*" in its last part, such as "/etc/app/*.conf"',
  ],
  [
    'a pattern over directories',
    withFiles({ ...file, clean: '/etc/*/*.conf' }),
    'render[0].clean: cannot be a string; give an absolute path with a "*" in its last part, such as "/etc/app/*.conf"',
  ],
  [
    'another order',
    withFiles({ ...file, order: 'first' }),
    'render[0].order: cannot be "first"; give "beforeStart" or "afterStop"',
  ],
  [
    'a variable without a name',
    { ...smallest, variables: { 'a-b': 1 } },
    'variables.a-b: is no name for a variable; use letters, digits and _, the first not a digit',
  ],
  [
    'a nested variable',
    { ...smallest, variables: { a: {} } },
    'variables.a: cannot be an object; give a text, a number, true or false',
  ],
  ['another role', { ...smallest, role: 'leader' }, 'role: cannot be "leader"; give "observer", or leave it out'],
  [
    'an observer that runs something',
    { ...smallest, role: 'observer', render: [file] },
    'partitions: is not for an observer, which runs nothing; remove it',
  ],
  [
    'an observer of nothing',
    { name: 'consumer', role: 'observer' },
    'render: is missing; an observer only renders: give the files',
  ],
]

for (const [what, value, line] of refused) {
  test(`refused: ${what}`, async () => {
    const error = await load(value).catch(thrown => thrown)
    assert.ok(error instanceof Permanent, String(error))
    assert.equal(error.message, `cannot use the definition consumer.json: ${line}`)
  })
}

test('an observer has a name and files, no partitions', async () => {
  const { role, partitions, source } = await load({ name: 'consumer', role: 'observer', render: [file] })
  assert.deepEqual({ role, partitions, source }, { role: 'observer', partitions: [], source: null })
})
