/** Who the commands of a definition are, and what they see: each limit on a real process. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { confined } from '../../lib/definition/confine.ts'
import type { Limits } from '../../lib/definition/limits.ts'
import { probeOf, saysGone } from '../../lib/process/containment/gone.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { readLine, writeFact } from '../../lib/state/facts.ts'
import { definition } from '../fixtures/cluster.ts'
import { until } from '../lab/until.ts'
import { held, isRoot, place, running } from './place.ts'

const skip = !isRoot && 'needs root'
const { run } = definition

interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly status: number | null
}

/** Runs a shell line within these limits. @param as another user, in place of the agent */
function ran(limits: Limits, line: string, { as, cwd = '/' }: { as?: string; cwd?: string } = {}): Ran {
  const command = confined({ ...run, limits }, ['/bin/sh', '-c', line])
  const drop = as === undefined ? [] : ['setpriv', `--reuid=${as}`, `--regid=${as}`, '--clear-groups']
  const [file = '', ...args] = [...drop, ...command]
  const env = { PATH: process.env.PATH ?? '' }
  return spawnSync(file, args, { encoding: 'utf8', cwd, env, timeout: 10_000 })
}

const said = (limits: Limits, line: string, cwd?: string) => ran(limits, line, cwd ? { cwd } : {}).stdout.trim()

/** A directory that every user may enter, outside of /tmp. */
function open(test: TestContext): string {
  const path = execFileSync('mktemp', ['-d', '-p', '/var/tmp', 'watchbill-test-XXXXXX'], { encoding: 'utf8' }).trim()
  chmodSync(path, 0o777)
  test.after(() => {
    spawnSync('umount', ['--quiet', path])
    execFileSync('rm', ['-r', path])
  })
  return path
}

describe('a command within limits', { skip }, () => {
  it('is as it was where there are none', () => {
    assert.deepEqual(confined(run, ['a', 'b']), ['a', 'b'])
    assert.deepEqual(confined({ ...run, limits: { memory: 1e8, pids: 5 } }, ['a', 'b']), ['a', 'b'])
  })

  it('gets its arguments as they are, and its own PATH', () => {
    const odd = ['--', '', 'a b', '$(id)', 'user=root', "'", '\n']
    const command = confined({ ...run, limits: { nice: 1 } }, [
      process.execPath,
      '-p',
      'process.env.PATH+JSON.stringify(process.argv.slice(1))',
      ...odd,
    ])
    const [file = '', ...args] = command
    const { stdout } = spawnSync(file, args, { encoding: 'utf8', env: { PATH: '/odd:/bin' } })
    // Node takes the first -- for itself.
    assert.equal(stdout.trim(), `/odd:/bin${JSON.stringify(odd.slice(1))}`)
  })

  it('is the user, with its groups and its home, and can become nobody else', () => {
    const lines = said(
      { user: 'nobody' },
      'id -un; id -gn; id -Gn; echo $HOME $USER $LOGNAME; grep NoNewPrivs /proc/self/status',
    )
    assert.deepEqual(lines.split('\n'), [
      'nobody',
      'nogroup',
      'nogroup',
      '/nonexistent nobody nobody',
      'NoNewPrivs:\t1',
    ])
    assert.equal(said({ user: 'nobody' }, 'grep CapEff /proc/self/status').split('\t')[1], '0000000000000000')
    assert.equal(said({ user: 'nobody', group: 'daemon' }, 'id -gn'), 'daemon')
  })

  it("is the agent's own user with its own home, where that is the one that is given", () => {
    assert.equal(said({ user: 'root' }, 'id -un; echo $HOME $USER'), 'root\n/root root')
  })

  it('has the umask, the niceness and the limits', () => {
    assert.equal(said({ umask: '0027' }, 'umask'), '0027')
    assert.equal(
      said({ nice: 7 }, 'nice'),
      String(Math.min(19, Number(execFileSync('nice', { encoding: 'utf8' })) + 7)),
    )
    assert.equal(
      said({ ulimit: { nofile: 100, core: 0, nproc: 1000 } }, 'ulimit -Hn; ulimit -Sn; ulimit -c'),
      '100\n100\n0',
    )
  })

  it('can change nothing where it is read-only, also from a working directory in it', test => {
    const path = open(test)
    const { status, stderr } = ran({ readOnly: [path] }, 'touch here', { cwd: path })
    assert.notEqual(status, 0)
    assert.match(stderr, /Read-only file system/)
    assert.match(ran({ readOnly: ['/'] }, `touch ${path}/here`).stderr, /Read-only file system/)
    writeFileSync(`${path}/there`, '') // it is so for nobody else
  })

  it('keeps what a mount forbids when it becomes read-only', test => {
    const path = open(test)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'nosuid,noexec,nodev', 'watchbill-test', path])
    const line = said({ readOnly: [path] }, `tail -1 /proc/self/mountinfo`)
    assert.match(line, new RegExp(`${path} ro,nosuid,nodev,noexec`))
  })

  it('has private directories, which are empty and no larger than its memory', test => {
    const path = open(test)
    writeFileSync(`${path}/mine`, '')
    assert.equal(
      said({ private: [path], memory: 2_000_000, user: 'nobody' }, `ls ${path}; echo x >${path}/a && ls ${path}`),
      'a',
    )
    assert.match(
      ran({ private: [path], memory: 2_000_000 }, `head -c 5000000 /dev/zero >${path}/a`).stderr,
      /No space left/,
    )
    assert.deepEqual(execFileSync('ls', [path], { encoding: 'utf8' }), 'mine\n')
  })

  const cannot: [what: string, Limits, why: RegExp, as?: string][] = [
    ['a user that is not there', { user: 'nobody-such' }, /there is no user nobody-such/],
    ['a group that is not there', { user: 'nobody', group: 'nobody-such' }, /there is no group nobody-such/],
    [
      'another user, without being root',
      { user: 'daemon' },
      /only an agent that is root can run commands as daemon/,
      '65534',
    ],
    ['root, without being root', { user: 'root' }, /only an agent that is root/, '65534'],
    ['a private directory, without being root', { private: ['/tmp'] }, /need the right to mount/, '65534'],
    ['a private directory that is not there', { private: ['/nowhere'] }, /\/nowhere cannot be private/],
    ['a directory that is not there', { readOnly: ['/nowhere'] }, /\/nowhere cannot be read-only/],
    ['to go first, without being root', { nice: -5 }, /nice cannot be -5/, '65534'],
    [
      'more files than the agent may',
      { ulimit: { nofile: 'unlimited' } },
      /ulimit\.nofile=unlimited is not allowed/,
      '65534',
    ],
  ]
  for (const [what, limits, why, as] of cannot) {
    it(`is not run where it cannot have ${what}; with best-effort it is`, () => {
      const strict = ran(limits, 'echo it runs', as === undefined ? {} : { as })
      assert.equal(strict.status, 125)
      assert.match(strict.stderr, why)
      assert.equal(strict.stdout, '')
      const easy = ran({ ...limits, bestEffort: true }, 'echo it runs', as === undefined ? {} : { as })
      assert.equal(easy.stdout, 'it runs\n', easy.stderr)
    })
  }
})

describe('a process of another user', { skip }, () => {
  it('can read its document, and nothing else of the state directory', async test => {
    const files = place(test)
    for (const path of ['..']) chmodSync(`${files.directory}/${path}`, 0o700)
    const [start, other] = [held(files, '1'), held(files, '2')]
    for (const { files: own } of [start, other]) writeFact(own.document, '{"role":"web"}')
    const line = `cat "$WATCHBILL_PAYLOAD"; cat "$WATCHBILL_DIR/token" || echo no; echo x >"$WATCHBILL_DIR/asked" || echo no; ls ${files.partitions} || echo no; cat ${other.files.document} || echo no; id -un; echo "metrics $WATCHBILL_METRICS"`
    writeFact(start.files.token, '1')
    await startShepherds(running(['/bin/sh', '-c', `{ ${line}; } 2>/dev/null`], { user: 'nobody' }), [start])
    await until('its end', () => readLine(start.files.status)?.startsWith('finished'))
    const output = readFileSync(start.files.output, 'utf8')
    assert.deepEqual(output.split('\n'), ['{"role":"web"}', 'no', 'no', 'no', 'no', 'nobody', 'metrics ', ''])
    assert.equal(statSync(files.directory).mode & 0o777, 0o711)
  })

  it('dies with its shepherd, as any other', async test => {
    const files = place(test)
    const start = held(files, '1')
    await startShepherds(running(['sleep', '1000'], { user: 'nobody', private: ['/tmp'] }), [start])
    const pid = await until('it to be nobody', () => {
      const pid = Number(readLine(start.files.process)?.split(' ')[0])
      return (
        pid > 0 &&
        statSync(`/proc/${pid}`).uid === 65534 &&
        readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n' &&
        pid
      )
    })
    const shepherd = Number(readLine(start.files.shepherd)?.split(' ')[0])
    process.kill(shepherd, 'SIGKILL')
    await until('it to be gone', () => spawnSync('kill', ['-0', String(pid)]).status !== 0)
  })

  it('is asked by stop.gone as that user too', async test => {
    const files = place(test)
    const gone = ['/bin/sh', '-c', '[ "$(id -un)" = nobody ]']
    const probe = probeOf(
      { instance: 'a:svc', node: 'a', files },
      { ...running([], { user: 'nobody' }), stop: { ...definition.stop, gone } },
      '1',
    )
    assert.ok(probe && (await saysGone(probe)))
  })

  it('has the mark of its partition, whatever its user', async test => {
    const files = place(test)
    const start = held(files, '1')
    await startShepherds(running(['sleep', '1000'], { user: 'nobody', ulimit: { nofile: 50 } }), [start])
    const mark = readLine(start.files.mark) ?? ''
    await until('its limits to say so', () => {
      const pid = Number(readLine(start.files.process)?.split(' ')[0])
      const limits = readFileSync(`/proc/${pid}/limits`, 'utf8')
      return new RegExp(`file locks +${mark}`).test(limits) && /Max open files +50 /.test(limits)
    })
  })
})
