/** Faults of a render, as a table: the file is whole, the old one or the new one, and each fault is one line. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { describe, it, test } from 'node:test'
import { readRendered, readSeen } from '../../lib/state/renders.ts'
import { disk, withoutMounts } from '../fixtures/disk.ts'
import { keys, stage } from './stage.ts'

const one = { template: 'DIR/t.liquid', dest: 'DIR/out/a.conf' }
const each = { template: 'DIR/t.liquid', dest: 'DIR/out/{partition}.conf', each: 'partition' }
const before = '0=10.0.0.1\n1=10.0.0.2\n'
const after = '0=10.0.0.2\n1=10.0.0.2\n'
const sh = (script: string, ...args: string[]) => ['/bin/sh', '-c', script, 'sh', ...args]
const text = (file: string) => readFileSync(file, 'utf8')

/** Whatever is in the directory beside the files. */
const others = (directory: string) => readdirSync(directory).filter(name => name.startsWith('.'))

describe('what is rendered', () => {
  it('is written once, and nothing is done when nothing has changed', async t => {
    const { render, dir, run, told } = await stage(t, { files: [one] })
    assert.equal(await render(), `rendered ${dir}/out/a.conf`)
    assert.equal(text(`${dir}/out/a.conf`), before)
    assert.equal(statSync(`${dir}/out/a.conf`).mode & 0o7777, 0o644)
    const { ino } = statSync(`${dir}/out/a.conf`)
    assert.equal(await render(), 'nothing to render: nothing has changed')
    assert.equal(await render(true), 'nothing to render: the files are as they should be')
    assert.equal(statSync(`${dir}/out/a.conf`).ino, ino)
    assert.deepEqual(told(), [])
    assert.equal(readSeen(run.files)?.retryAt, null)
    assert.deepEqual(others(`${dir}/out`), [])
  })

  it('has no address while a partition is handed over, and never two', async t => {
    const { render, dir, hold, free } = await stage(t, { files: [one] })
    await render()
    free('0')
    await render()
    assert.equal(text(`${dir}/out/a.conf`), '0=\n1=10.0.0.2\n')
    hold('0', 'b')
    await render()
    // b has both while a has none: the roster gives one back, so that one is being handed over.
    assert.match(text(`${dir}/out/a.conf`), /^0=(10\.0\.0\.2)?\n1=(10\.0\.0\.2)?\n$/)
  })

  it('has mode and owner, and is written again when they were changed by hand', async t => {
    const { render, dir } = await stage(t, { files: [{ ...one, mode: '0640', owner: 'nobody:daemon' }] })
    if (process.getuid?.() !== 0) return t.skip('needs root: it gives the file to another user')
    await render()
    const file = `${dir}/out/a.conf`
    const { mode, uid, gid } = statSync(file)
    assert.deepEqual([mode & 0o7777, uid, gid], [0o640, 65_534, 1])
    chownSync(file, 0, 0)
    chmodSync(file, 0o666)
    await render(true)
    assert.deepEqual([statSync(file).mode & 0o7777, statSync(file).uid], [0o640, 65_534])
  })

  it('keeps earlier versions', async t => {
    const { render, dir, template } = await stage(t, { files: [{ ...one, backups: 2 }], template: '1' })
    for (const version of ['1', '2', '3', '4']) {
      template(version)
      await render()
    }
    assert.equal(text(`${dir}/out/a.conf`), '4')
    assert.deepEqual(others(`${dir}/out`), ['.a.conf.watchbill-1', '.a.conf.watchbill-2'])
    assert.deepEqual(
      [1, 2].map(number => text(`${dir}/out/.a.conf.watchbill-${number}`)),
      ['3', '2'],
    )
  })

  it('has the variables of the definition, below those of the instance', async t => {
    const { render, dir } = await stage(t, {
      files: [one],
      template: '{{ variables.domain }} {{ self.instance }}',
      variables: { domain: 'example.org' },
    })
    await render()
    assert.equal(text(`${dir}/out/a.conf`), 'example.org c:svc')
  })

  it('is a file for each partition; those of partitions that are gone are cleaned, and no others', async t => {
    const { render, dir, add, memory } = await stage(t, {
      files: [{ ...each, clean: 'DIR/out/*.conf' }],
      template: '{{ partition.id }} {{ partition.document.role }}',
    })
    add('../../evil', 'a', { role: 'web' })
    writeFileSync(`${dir}/out/foreign.conf`, 'not ours')
    await render()
    assert.deepEqual(readdirSync(`${dir}/out`).sort(), ['%2E.%2F..%2Fevil.conf', '0.conf', '1.conf', 'foreign.conf'])
    assert.equal(text(`${dir}/out/%2E.%2F..%2Fevil.conf`), '../../evil web')
    rmSync(`${dir}/out/1.conf`)
    symlinkSync(`${dir}/out/foreign.conf`, `${dir}/out/1.conf`) // a link is nothing that was rendered
    for (const id of ['0', '1', '../../evil']) memory.remove(keys.partition(id))
    assert.match(await render(), /removed .*0\.conf/)
    assert.deepEqual(readdirSync(`${dir}/out`).sort(), ['1.conf', 'foreign.conf'])
  })

  it('is not cleaned when the template fails, nor when the set is lost', async t => {
    const { render, dir, template, memory } = await stage(t, {
      files: [{ ...each, clean: 'DIR/out/*.conf' }],
      template: '{{ partition.id }}',
    })
    await render()
    for (const broken of ['{{ partition.nothing }}', '{% if partition %}']) {
      template(broken)
      await render()
      assert.deepEqual(readdirSync(`${dir}/out`), ['0.conf', '1.conf'])
    }
    template('{{ partition.id }}')
    for (const { Key } of memory.below('watchbill/svc/')) if (!Key.startsWith(keys.members)) memory.remove(Key)
    assert.equal(await render(), 'nothing is rendered: nobody has written a partition set')
    assert.deepEqual(readdirSync(`${dir}/out`), ['0.conf', '1.conf'])
  })
})

interface Fault {
  readonly what: string
  readonly files?: readonly Record<string, unknown>[]
  /** After the first render; the holder of 0 has changed. */
  readonly break: (at: Awaited<ReturnType<typeof stage>>, dir: string) => void
  /** What is wrong, without `cannot render <file>: `. */
  readonly line: RegExp
  readonly mend: (at: Awaited<ReturnType<typeof stage>>, dir: string) => void
}

const faults: readonly Fault[] = [
  {
    what: 'an error in the template',
    break: ({ template }) => template('{% if partitions %}'),
    line: /t\.liquid: tag \{% if partitions %\} not closed, line:1, col:1; what is there stays$/,
    mend: ({ template }) => template('{% for p in partitions %}{{ p.id }}={{ p.address }}\n{% endfor %}'),
  },
  {
    what: 'the template is missing',
    break: (_, dir) => rmSync(`${dir}/t.liquid`),
    line: /the template cannot be read: ENOENT/,
    mend: ({ template }) => template('{% for p in partitions %}{{ p.id }}={{ p.address }}\n{% endfor %}'),
  },
  {
    what: 'the template is too large',
    break: ({ template }) => template('x'.repeat(300_000)),
    line: /the template has 0\.3 MiB; at most 0\.3 MiB are read/,
    mend: ({ template }) => template('{% for p in partitions %}{{ p.id }}={{ p.address }}\n{% endfor %}'),
  },
  {
    what: 'the check refuses it',
    files: [{ ...one, check: sh('[ ! -e "$2/bad" ] || { cat "$1"; echo is bad >&2; exit 3; }', '{file}', 'DIR') }],
    break: (_, dir) => writeFileSync(`${dir}/bad`, ''),
    line: /the check \/bin\/sh .* refuses it: exit 3: 1=10\.0\.0\.2 is bad; what is there stays$/,
    mend: (_, dir) => rmSync(`${dir}/bad`),
  },
  {
    what: 'the check is killed',
    files: [{ ...one, check: sh('[ ! -e "$2/bad" ] || kill -9 $$', '{file}', 'DIR') }],
    break: (_, dir) => writeFileSync(`${dir}/bad`, ''),
    line: /refuses it: ended by SIGKILL; what is there stays$/,
    mend: (_, dir) => rmSync(`${dir}/bad`),
  },
  {
    what: 'the directory is missing',
    break: (_, dir) => rmSync(`${dir}/out`, { recursive: true }),
    line: /there is no directory .*\/out; make it; what is there stays$/,
    mend: (_, dir) => mkdirSync(`${dir}/out`),
  },
  {
    what: 'a directory is in the place of the file',
    break: (_, dir) => {
      rmSync(`${dir}/out/a.conf`)
      mkdirSync(`${dir}/out/a.conf`)
    },
    line: /what is there is no file; remove it, or choose another dest/,
    mend: (_, dir) => rmSync(`${dir}/out/a.conf`, { recursive: true }),
  },
  {
    what: 'a link is in the place of the file',
    break: (_, dir) => {
      rmSync(`${dir}/out/a.conf`)
      writeFileSync(`${dir}/elsewhere`, 'its own\n')
      symlinkSync(`${dir}/elsewhere`, `${dir}/out/a.conf`)
    },
    line: /a symbolic link is there; remove it, or say "follow": true/,
    mend: (_, dir) => {
      assert.equal(readFileSync(`${dir}/elsewhere`, 'utf8'), 'its own\n')
      rmSync(`${dir}/out/a.conf`)
    },
  },
  {
    what: 'there is no such owner',
    break: ({ define }) => define([{ ...one, owner: 'nobody-here' }]),
    line: /there is no user nobody-here/,
    mend: ({ define }) => define([one]),
  },
]

for (const { what, files = [one], break: breaks, line, mend } of faults) {
  test(`fault: ${what}`, async t => {
    const at = await stage(t, { files })
    const { render, dir, run, told, hold } = at
    await render()
    const file = `${dir}/out/a.conf`
    const was = text(file)
    breaks(at, dir)
    at.memory.remove(keys.member('a:svc'))
    hold('0', 'b')
    await render()
    if (existsSync(file) && lstatSync(file).isFile()) assert.equal(text(file), was)
    assert.equal(told().length, 1)
    assert.match(told()[0] ?? '', line)
    assert.doesNotMatch(told()[0] ?? '', /\n/)
    assert.match(told()[0] ?? '', /^cannot render \S+\/out\/a\.conf: /)
    assert.ok(readSeen(run.files)?.retryAt, 'it is tried again')
    if (existsSync(`${dir}/out`)) assert.deepEqual(others(`${dir}/out`), [])
    mend(at, dir)
    await render()
    assert.equal(text(file), after)
    assert.deepEqual(told(), [])
    assert.equal(readSeen(run.files)?.retryAt, null)
  })
}

test('fault: the disk is full', { skip: withoutMounts }, async t => {
  const full = disk(t)
  const { render, told, hold, memory } = await stage(t, { files: [{ ...one, dest: `${full.directory}/a.conf` }] })
  await render()
  full.fill()
  memory.remove(keys.member('a:svc'))
  hold('0', 'b')
  await render()
  assert.equal(text(`${full.directory}/a.conf`), before)
  assert.match(told()[0] ?? '', /ENOSPC: no space left on device/)
  assert.deepEqual(others(full.directory), [])
  full.remount('ro')
  await render()
  assert.match(told()[0] ?? '', /EROFS: read-only file system/)
  full.remount('rw')
  rmSync(`${full.directory}/filler`, { recursive: true })
  await render()
  assert.equal(text(`${full.directory}/a.conf`), after)
  assert.deepEqual(told(), [])
})

describe('the command', () => {
  const counted = (more = '') => sh(`echo run >> "$1/ran"; ${more}`, 'DIR')
  const runs = (dir: string) => (existsSync(`${dir}/ran`) ? text(`${dir}/ran`).trim().split('\n').length : 0)

  it('runs once for several files that have changed, after all of them', async t => {
    const command = sh('cat "$1"/out/*.conf > "$1/seen"; echo run >> "$1/ran"', 'DIR')
    const files = ['a', 'b', 'c'].map(name => ({ ...one, dest: `DIR/out/${name}.conf`, command }))
    const { render, dir } = await stage(t, { files })
    await render()
    assert.equal(runs(dir), 1)
    assert.equal(text(`${dir}/seen`), before.repeat(3))
    await render(true)
    assert.equal(runs(dir), 1)
  })

  it('that fails twice is run again until it has worked, and no more', async t => {
    const command = counted('[ "$(wc -l < "$1/ran")" -gt 2 ] || { echo not yet >&2; exit 1; }')
    const { render, dir, run, told } = await stage(t, { files: [{ ...one, command }] })
    assert.match(await render(), /^rendered .*; the command .* failed after files had changed: exit 1: not yet; /)
    assert.equal(text(`${dir}/out/a.conf`), before)
    const first = readSeen(run.files)?.retryAt ?? 0
    await render()
    assert.equal(runs(dir), 2)
    assert.ok((readSeen(run.files)?.retryAt ?? 0) > first, 'later each time')
    assert.match(told()[0] ?? '', /exit 1: not yet; it is run again until it works$/)
    await render()
    assert.deepEqual([runs(dir), told(), readSeen(run.files)?.retryAt], [3, [], null])
    await render()
    assert.equal(runs(dir), 3)
  })

  it('is not run for a file that its check refuses', async t => {
    const { render, dir } = await stage(t, { files: [{ ...one, check: ['false', '{file}'], command: counted() }] })
    await render()
    assert.deepEqual([runs(dir), existsSync(`${dir}/out/a.conf`)], [0, false])
  })

  it('is run when a file was cleaned', async t => {
    const files = [{ ...each, clean: 'DIR/out/*.conf', command: counted() }]
    const { render, dir, memory } = await stage(t, { files, template: 'x' })
    await render()
    memory.remove(keys.partition('0'))
    memory.remove(keys.lock('0'))
    await render()
    assert.equal(runs(dir), 2)
  })

  it('is forgotten when the definition has it no more', async t => {
    const { render, dir, define, run } = await stage(t, { files: [{ ...one, command: counted('exit 1') }] })
    await render()
    define([{ ...one, mode: '0600' }])
    await render()
    assert.deepEqual([runs(dir), readRendered(run.files).pending], [1, []])
  })

  it('gets no token and no shell', async t => {
    const command = [
      '/usr/bin/env',
      '--',
      'sh',
      '-c',
      'env > "$1/env"; printf "%s\\n" "$2" >> "$1/env"',
      'sh',
      'DIR',
      '{service}; {node}',
    ]
    process.env.CONSUL_HTTP_TOKEN = 'secret'
    t.after(() => delete process.env.CONSUL_HTTP_TOKEN)
    const { render, dir } = await stage(t, { files: [{ ...one, command }] })
    await render()
    assert.match(text(`${dir}/env`), /WATCHBILL_INSTANCE=c:svc/)
    assert.match(text(`${dir}/env`), /\nsvc; c\n/)
    assert.doesNotMatch(text(`${dir}/env`), /secret/)
  })
})

test('a link is followed where the definition says so, and stays a link', async t => {
  const { render, dir } = await stage(t, { files: [{ ...one, follow: true }] })
  writeFileSync(`${dir}/real.conf`, 'old')
  symlinkSync(`${dir}/real.conf`, `${dir}/out/a.conf`)
  await render()
  assert.equal(text(`${dir}/real.conf`), before)
  assert.ok(lstatSync(`${dir}/out/a.conf`).isSymbolicLink())
})

test('nothing is written through a link in the place of the candidate', async t => {
  const { render, dir } = await stage(t, { files: [one] })
  writeFileSync(`${dir}/victim`, 'untouched')
  symlinkSync(`${dir}/victim`, `${dir}/out/.a.conf.watchbill-new`)
  await render()
  assert.deepEqual([text(`${dir}/victim`), text(`${dir}/out/a.conf`)], ['untouched', before])
})

test('one file with a fault keeps no other from being written; files with the same fault are one line', async t => {
  const { render, dir, told } = await stage(t, {
    files: [{ ...one, dest: 'DIR/none/a.conf' }, { ...one, dest: 'DIR/none/b.conf' }, one],
  })
  await render()
  assert.equal(text(`${dir}/out/a.conf`), before)
  assert.deepEqual(told(), [
    `cannot render ${dir}/none/a.conf, ${dir}/none/b.conf: there is no directory ${dir}/none; make it; what is there stays`,
  ])
})

test('when Consul is away nothing is changed; the guard tries again', async t => {
  const { render, dir, fake, run, free } = await stage(t, { files: [one] })
  await render()
  free('0')
  const { script } = fake
  fake.script = request => (request.path.startsWith('/v1/catalog') ? { status: 500, text: 'no' } : script(request))
  await assert.rejects(render(), /cannot GET \/v1\/catalog/)
  assert.equal(text(`${dir}/out/a.conf`), before)
  const seen = readSeen(run.files)
  assert.ok(seen?.retryAt, 'it is due again')
  fake.script = script
  await render()
  assert.equal(text(`${dir}/out/a.conf`), '0=\n1=10.0.0.2\n')
})

test('a damaged state is rendered anew', async t => {
  const { render, dir, run } = await stage(t, { files: [one] })
  await render()
  writeFileSync(run.files.rendered, '{"in')
  appendFileSync(`${dir}/out/a.conf`, 'by hand')
  await render()
  assert.equal(text(`${dir}/out/a.conf`), before)
})
