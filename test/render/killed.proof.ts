/**
 * A render is killed with SIGKILL at every moment at which what it leaves behind differs. The files are whole, the next render
 * finishes the work, and the command has worked for what is on disk.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { readRendered } from '../../lib/state/renders.ts'
import { type Ended, runProgram } from '../handlers/support/programs.ts'
import { keys, stage } from './stage.ts'

test('a render that is killed anywhere leaves whole files, and loses no command', async t => {
  const command = ['/bin/sh', '-c', 'cat "$1"/out/*.conf > "$1/seen.new"; mv "$1/seen.new" "$1/seen"', 'sh', 'DIR']
  const files = [
    { template: 'DIR/t.liquid', dest: 'DIR/out/all.conf', backups: 1, check: ['test', '-s', '{file}'], command },
    {
      template: 'DIR/t.liquid',
      dest: 'DIR/out/p{partition}.conf',
      each: 'partition',
      clean: 'DIR/out/p*.conf',
      command,
    },
  ]
  const template = '{{ variables.x }}{% for p in partitions %}{{ p.id }}={{ p.holder }}\n{% endfor %}end\n'
  const { dir, run, fake, hold, memory } = await stage(t, { files, template, variables: { x: '' } })
  const { address } = fake.consul
  const rerender = (env: Record<string, string> = {}): Promise<Ended> =>
    runProgram('rerender', {
      args: [
        ...['--instance', 'c:svc', '--service', 'svc', '--definition', run.definitionFile],
        ...['--state', dirname(run.files.directory), '--http-addr', address.origin],
      ],
      preload: Object.keys(env).length > 0 ? ['killed-at'] : [],
      env,
    })
  const all = () => readdirSync(`${dir}/out`).filter(name => !name.startsWith('.'))
  const textOf = (name: string) => readFileSync(`${dir}/out/${name}`, 'utf8')
  assert.equal((await rerender()).code, 0)
  const moments: string[] = []
  for (let n = 1; ; n++) {
    // One more partition comes, or goes, and 0 moves: files are written, removed, and replaced.
    const isOdd = n % 2 === 1
    memory.remove(keys.partition('2'))
    memory.remove(keys.lock('2'))
    if (isOdd) memory.put(keys.partition('2'), '{"from":"definition"}')
    memory.remove(keys.member(isOdd ? 'a:svc' : 'b:svc'))
    if (isOdd) hold('0', 'b')
    else hold('0', 'a')
    const killed = await rerender({
      KILL_AT: String(n),
      KILL_KINDS: 'rename,rmSync,open,spawn,spawned',
      KILLED: `${dir}/at`,
    })
    for (const name of all()) assert.match(textOf(name), /^(\d=.*\n)+end\n$/, `killed at ${n}: ${name}`)
    if (killed.signal === null) break
    moments.push(readFileSync(`${dir}/at`, 'utf8'))
    const { code, stdout, stderr } = await rerender()
    assert.equal(code, 0, stderr)
    const where = `killed at ${n}, ${moments.at(-1)}: ${stdout}`
    assert.deepEqual(all(), ['all.conf', 'p0.conf', 'p1.conf', ...(isOdd ? ['p2.conf'] : [])], where)
    assert.match(textOf('all.conf'), isOdd ? /^0=b:svc\n/ : /^0=a:svc\n/, where)
    assert.equal(readFileSync(`${dir}/seen`, 'utf8'), all().map(textOf).join(''), where)
    assert.deepEqual(readRendered(run.files).pending, [], where)
    assert.deepEqual(
      readdirSync(`${dir}/out`).filter(name => /watchbill-new$/.test(name)),
      [],
      where,
    )
    assert.ok(existsSync(`${dir}/out/.all.conf.watchbill-1`), where)
    memory.lock(keys.member('a:svc'), 'session of a', '{}')
    memory.lock(keys.member('b:svc'), 'session of b', '{}')
  }
  t.diagnostic(`${moments.length} moments: ${moments.join(', ')}`)
  assert.ok(moments.length > 15, `there were only ${moments.length} moments`)
})
