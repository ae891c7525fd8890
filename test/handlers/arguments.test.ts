import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type Ended, handlers, runProgram } from './support/programs.ts'

const state = mkdtempSync(join(tmpdir(), 'watchbill-arguments-'))
after(() => rmSync(state, { recursive: true, force: true }))

const programs = readdirSync(handlers)
  .filter(file => file.endsWith('.ts'))
  .map(file => file.slice(0, -'.ts'.length))

const instance = ['--instance', 'a:svc', '--service', 'svc', '--definition', join(state, 'none.json'), '--state', state]

/** What each program takes, complete; what it cannot do without stands first. */
const complete: Record<string, readonly string[]> = {
  'on-service': instance,
  'on-keyprefix': instance,
  'on-checks': instance,
  guard: instance,
  reconcile: instance,
  attend: instance,
  sync: instance,
  rerender: instance,
  observe: instance,
  render: ['svc', '--state', state],
  rollout: instance,
  power: instance,
  'cut-off': instance,
  scheduler: instance,
  pass: ['progress'],
  warn: ['progress'],
  fail: ['progress'],
  owner: ['svc', '0'],
  ask: ['svc', 'promote'],
  partitions: ['svc', 'list'],
  status: ['svc', '0'],
  drain: ['svc', 'a:svc', 'on'],
  evict: ['svc', 'a:svc', '--yes'],
  purge: ['svc', '--yes'],
  restored: ['svc', '--state', state],
  hold: ['svc', '0'],
  unhold: ['svc', '0'],
  pin: ['svc', '0', 'a:svc'],
  unpin: ['svc', '0'],
  placement: ['svc', 'show'],
  plan: ['svc', '--remove', 'a'],
  scale: ['svc', '12'],
  roll: ['svc', '--status'],
  freeze: ['svc'],
  thaw: ['svc'],
  restart: ['svc', '0'],
  logs: ['svc', '0', '--state', state],
  top: ['svc', '--state', state],
  history: ['svc', '--state', state],
  metrics: ['--state', state],
  agent: ['--data-dir', state, '--consul-dir', state],
  leave: ['svc', '--state', state],
  lock: ['name'],
  configure: [join(state, 'none.json'), '--consul-dir', state, '--home', state],
}

/** Far from any Consul. */
function run(program: string, ...args: string[]): Promise<Ended> {
  return runProgram(program, { args, env: { CONSUL_HTTP_ADDR: '127.0.0.1:1', WATCHBILL_STATE: state } })
}

function assertRefused(program: string, ended: Ended, about: RegExp): void {
  assert.equal(ended.code, 100, ended.stderr)
  assert.equal(ended.stdout, '')
  const [line, ...rest] = ended.stderr.split('\n')
  assert.deepEqual(rest, [''], 'it is one line')
  assert.ok(line?.startsWith(`${program}: permanent: cannot `), line)
  assert.match(line as string, about)
  assert.doesNotMatch(line as string, /\p{Cc}/u)
}

/** All have the frame in common: these show every way to ask it, the others one. One of the agent, one of people, one with `--`. */
const thorough = new Set(['guard', 'status', 'lock'])

describe('every program', { concurrency: 2 }, () => {
  for (const program of programs) {
    const ways = thorough.has(program)
    for (const help of ways ? ['--help', '-h'] : ['--help']) {
      it(`${program} ${help} says what it is for and how it exits`, async () => {
        const { code, stdout, stderr } = await run(program, help)
        assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
        assert.match(stdout, /USAGE/)
        assert.match(stdout, /\nExits: .*100.*111/)
        assert.doesNotMatch(stdout, /[^\n\P{Cc}]/u)
      })
    }

    if (ways) {
      it(`${program} --help helps whatever stands beside it`, async () => {
        const { code, stdout } = await run(program, '--no-such', '--help', 'spare')
        assert.equal(code, 0)
        assert.match(stdout, /USAGE/)
      })
    }

    it(`${program} refuses an option that it does not know`, async () => {
      for (const option of ways ? ['--unknown', '--unknown=1', '--no-unknown', '-x'] : ['--unknown']) {
        const about = option === '-x' ? /-x\b/ : /unknown/
        assertRefused(program, await run(program, ...(complete[program] ?? []), option), about)
      }
    })
  }
})

describe('a program for one instance', { concurrency: 2 }, () => {
  for (const program of [
    'on-service',
    'on-keyprefix',
    'on-checks',
    'guard',
    'reconcile',
    'attend',
    'sync',
    'rerender',
    'observe',
    'scheduler',
    'power',
    'cut-off',
  ]) {
    for (const [place, option] of ['--instance', '--service', '--definition'].entries()) {
      it(`${program} cannot do without ${option}`, async () => {
        const args = instance.toSpliced(2 * place, 2)
        assertRefused(program, await run(program, ...args), new RegExp(option.slice(2)))
      })

      it(`${program} refuses ${option} without a value`, async () => {
        for (const empty of [[`${option}=`], [option, '']]) {
          const args = instance.toSpliced(2 * place, 2, ...empty)
          assertRefused(program, await run(program, ...args), new RegExp(option.slice(2)))
        }
      })
    }

    it(`${program} refuses a word too many`, async () => {
      assertRefused(program, await run(program, ...instance, 'spare'), /spare/)
    })

    it(`${program} refuses an instance that is none`, async () => {
      for (const none of ['svc', ':svc', 'a:', ':']) {
        assertRefused(program, await run(program, ...instance.with(1, none)), /instance/)
      }
    })
  }

  it('on-keyprefix knows two watches', async () => {
    assertRefused('on-keyprefix', await run('on-keyprefix', ...instance, '--watch', 'lock'), /watch/)
  })

  it('guard refuses an interval that is none', async () => {
    for (const none of ['2', 'soon', '-2s', '2 s']) {
      assertRefused('guard', await run('guard', ...instance, `--interval=${none}`), /interval/)
    }
  })

  for (const program of ['reconcile', 'sync', 'scheduler']) {
    it(`${program} refuses a wait that is none`, async () => {
      for (const none of ['1s', '-1', '1e3', '1000000']) {
        assertRefused(program, await run(program, ...instance, `--after=${none}`), /after/)
      }
    })
  }

  it('partitions refuses what does not go together', async () => {
    const cases: [string[], RegExp][] = [
      [['drop', 'a'], /"drop" is no action/],
      [['add'], /no partition is named/],
      [['sync', 'a'], /name no partition/],
      [['remove', 'a', '--document', '-'], /--document goes with add and set/],
      [['add', 'a', '--force'], /--force goes with sync/],
    ]
    for (const [args, about] of cases) assertRefused('partitions', await run('partitions', 'svc', ...args), about)
  })
})

describe('a program for people', { concurrency: 2 }, () => {
  for (const [program, least] of Object.entries({
    ...{
      owner: 2,
      partitions: 1,
      drain: 2,
      evict: 2,
      leave: 1,
      hold: 2,
      unhold: 2,
      restart: 2,
      purge: 1,
      restored: 1,
    },
  })) {
    it(`${program} cannot do without its first ${least === 1 ? 'word' : `${least} words`}`, async () => {
      const words = complete[program] as readonly string[]
      for (let given = 0; given < least; given++) {
        assertRefused(program, await run(program, ...words.slice(0, given)), /argument/)
      }
    })
  }

  for (const program of ['owner', 'status', 'drain', 'evict', 'leave', 'logs', 'agent', 'purge', 'restored']) {
    it(`${program} refuses a word too many`, async () => {
      const words = complete[program] as readonly string[]
      assertRefused(program, await run(program, ...words, 'spare'), /spare/)
    })
  }

  it('lock cannot do without a name and a command', async () => {
    assertRefused('lock', await run('lock'), /there is no name/)
    assertRefused('lock', await run('lock', 'name'), /there is no command/)
    assertRefused('lock', await run('lock', 'name', 'true'), /true/)
  })

  it('partitions knows what it can do with partitions', async () => {
    assertRefused('partitions', await run('partitions', 'svc', 'multiply', '1'), /multiply/)
  })

  it('drain is on or off', async () => {
    assertRefused('drain', await run('drain', 'svc', 'a:svc', 'perhaps'), /on or off/)
  })

  it('status refuses a wait that is no duration, and says what is', async () => {
    for (const none of ['long', '5', '2h']) {
      const about =
        none === '2h'
          ? /--wait 2h is too long; give up to 60m/
          : /--wait \S+ is no duration; give a number with its unit, such as 30s or 5m/
      assertRefused('status', await run('status', 'svc', '--wait', none), about)
    }
  })

  it('what stands behind -- is no option', async () => {
    const { code, stdout, stderr } = await run('hold', 'svc', '--', '--help')
    assert.deepEqual({ code, stdout }, { code: 111, stdout: '' })
    assert.match(stderr, /^hold: temporary: cannot reach Consul /)
    assertRefused('hold', await run('hold', 'svc', '--'), /no partition is named/)
    assertRefused('drain', await run('drain', 'svc', 'a:svc', '--', '--no-such'), /on or off/)
  })

  it('a name that looks like an option is told where to stand', async () => {
    const told = /there is no option -7; names that begin with a dash go behind --/
    assertRefused('status', await run('status', 'svc', '-7'), told)
    assertRefused('hold', await run('hold', 'svc', '--al'), /no option --al \(did you mean --all/)
  })

  it('leave refuses what it would ignore', async () => {
    assertRefused('leave', await run('leave', 'svc', '--limit', '5s'), /--limit goes with --for-shutdown/)
    assertRefused('leave', await run('leave', '--all', '--instance', 'a:svc'), /leave out --instance, or --all/)
    const nobody = await run('leave', '--all', '--json', '--state', join(state, 'none'), '--consul-dir', state)
    assert.deepEqual([nobody.code, nobody.stdout], [0, ''])
  })

  it('logs refuses what does not go together', async () => {
    const cases: [string[], RegExp][] = [
      [['svc', '--since', '10m'], /--since goes with --instance/],
      [['svc', '--instance', '--since', 'soon'], /--since soon is no duration/],
      [['svc', '0', '--instance'], /--instance shows no partition/],
      [['svc', '--state', join(state, 'none')], /there is no partition of svc in /],
      [['--instance', '--state', join(state, 'none')], /there is no instance in /],
    ]
    for (const [args, about] of cases) assertRefused('logs', await run('logs', ...args), about)
  })

  it('logs refuses lines that are no number', async () => {
    for (const none of ['few', '-1', '1.5']) {
      assertRefused('logs', await run('logs', 'svc', '0', `--lines=${none}`), /lines/)
    }
  })
})
