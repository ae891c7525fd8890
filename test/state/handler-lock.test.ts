import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it, type TestContext } from 'node:test'
import { asOnlyHandler } from '../../lib/state/handler-lock.ts'
import { isMarkForgotten } from '../../lib/state/handler-mark.ts'
import { stateOf as stateFiles } from '../fixtures/state.ts'
import { stateOf } from '../handlers/support/processes.ts'
import { until } from '../lab/until.ts'

const support = join(import.meta.dirname, '../handlers/support')

/** By the directory of their lock: they are killed before that is removed. */
const holders = new Map<string, Holder[]>()

/** A child under the handler lock; see lock-holder.ts. */
class Holder {
  readonly said: string[] = []
  readonly #child: ChildProcess

  constructor(args: readonly string[], { preload = [], env = {} }: Extra = {}) {
    const imports = preload.flatMap(name => ['--import', join(support, `${name}.ts`)])
    this.#child = spawn(process.execPath, [...imports, join(support, 'lock-holder.ts'), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    })
    this.#child.stdin?.on('error', () => {})
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', line => this.said.push(line))
    const [directory = ''] = args
    holders.set(directory, [...(holders.get(directory) ?? []), this])
  }

  get pid(): number {
    return this.#child.pid as number
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** It ended, and neither well nor by a kill. */
  get failed(): boolean {
    return !this.alive && this.#child.exitCode !== 0 && this.#child.signalCode !== 'SIGKILL'
  }

  tell(...words: string[]): this {
    for (const word of words) this.#child.stdin?.write(`${word}\n`)
    return this
  }

  /** Waits until it has said this so many times. */
  async heard(what: string, times = 1): Promise<this> {
    const enough = () => this.said.filter(line => line === what).length >= times
    await until(`${what} to be said`, see => see(this.said) && (enough() || !this.alive), patience)
    assert.ok(enough(), `it ended instead of saying ${what}`)
    return this
  }

  /** Waits until it has stopped itself at a place. */
  async stopped(where: string): Promise<void> {
    await this.heard(where)
    await until(`it to stop at ${where}`, () => stateOf(this.pid) === 'T', patience)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async kill(): Promise<void> {
    if (!this.alive) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  /** Waits for its end. */
  async end(): Promise<{ alone: boolean; ms: number }> {
    const line = await until('the end', see => see(this.said).find(line => /^(true|false) /.test(line)), patience)
    const [alone, ms] = line.split(' ')
    return { alone: alone === 'true', ms: Number(ms) }
  }
}

interface Extra {
  preload?: readonly string[]
  env?: Record<string, string>
}

const patience = { deadline: 30_000, every: 5 }

function place(test: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'watchbill-handler-lock-'))
  test.after(async () => {
    for (const holder of holders.get(directory) ?? []) await holder.kill()
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

async function ready(directory: string, detail = '', extra: Extra = {}): Promise<Holder> {
  return new Holder([directory, 'led', detail], extra).heard('ready')
}

/** One that holds the lock. */
async function inside(directory: string, detail = ''): Promise<Holder> {
  return (await ready(directory, detail)).tell('go').heard('in')
}

function assertNeverTogether(all: readonly Holder[]): void {
  assert.deepEqual(
    all.flatMap(({ said }) => said).filter(line => line.startsWith('not alone')),
    [],
  )
}

describe('the handler lock', { concurrency: 4 }, () => {
  it('lets one handler in at a time, however many want in', async test => {
    const directory = place(test)
    const all = Array.from({ length: 10 }, () => new Holder([directory, 'hammer', '40']))
    for (const holder of all) await holder.heard('done')
    assertNeverTogether(all)
    assert.ok(!existsSync(join(directory, 'handler.mark')), 'a mark was left that nobody saw')
  })

  it('lets one handler in at a time, also when every other holder is killed', async test => {
    const directory = place(test)
    const all: Holder[] = []
    const lane = async () => {
      for (let n = 0; n < 12; n++) {
        const holder = new Holder([directory, 'hammer', '4'])
        all.push(holder)
        await until('it to be in, or at its end', () => holder.said.length > 0 || !holder.alive, patience)
        if (n % 2 === 0) await holder.kill()
        else await until('its end', () => !holder.alive, patience)
      }
    }
    await Promise.all(Array.from({ length: 5 }, lane))
    assertNeverTogether(all)
    assert.deepEqual(
      all.filter(({ failed }) => failed),
      [],
      'some failed',
    )
    assert.equal((await (await ready(directory)).tell('go', 'end').end()).alone, true)
  })

  it('sends one that finds it taken away at once, and the holder goes round again', async test => {
    const directory = place(test)
    const holder = await inside(directory)
    const { alone } = await (await ready(directory)).tell('go').end()
    assert.equal(alone, false)
    holder.tell('end')
    await holder.heard('in', 2)
    assert.equal((await holder.tell('end').end()).alone, true)
    assert.deepEqual(holder.said.slice(0, -1), ['ready', 'in', 'out', 'in', 'out'])
  })

  it('goes round once more for many that came meanwhile', async test => {
    const directory = place(test)
    const holder = await inside(directory)
    const others = await Promise.all(Array.from({ length: 5 }, () => ready(directory)))
    for (const other of others) assert.equal((await other.tell('go').end()).alone, false)
    await holder.tell('end', 'end').end()
    assert.equal(holder.said.filter(line => line === 'in').length, 2)
  })

  it('does not lose a mark that is left between the last look and the release', async test => {
    const directory = place(test)
    const holder = await inside(directory, 'releasing')
    holder.tell('end')
    await holder.stopped('releasing')
    assert.equal((await (await ready(directory)).tell('go').end()).alone, false)
    holder.signal('SIGCONT')
    await holder.heard('in', 2)
    await holder.tell('end').end()
  })

  it('is tried again after the mark was left: the holder may have gone before it', async test => {
    const directory = place(test)
    const holder = await inside(directory)
    const late = (await ready(directory, 'marking')).tell('go')
    await late.stopped('marking')
    await holder.tell('end').end()
    assert.equal(holder.said.filter(line => line === 'in').length, 1, 'there was no mark yet')
    late.signal('SIGCONT')
    await late.heard('in')
    assert.equal((await late.tell('end').end()).alone, true)
  })

  it('is free in less than a second after its holder was killed', async test => {
    const times: number[] = []
    for (let n = 0; n < 3; n++) {
      const directory = place(test)
      const holder = await inside(directory)
      const next = await ready(directory)
      await holder.kill()
      times.push((await next.tell('go', 'end').end()).ms)
    }
    assert.ok(Math.min(...times) < 1000, `${times} ms`)
    assert.ok(Math.max(...times) < 3000, `${times} ms`)
  })

  it('tells that a mark was forgotten when its holder was killed', async test => {
    const directory = place(test)
    const holder = await inside(directory)
    await (await ready(directory)).tell('go').end()
    assert.equal(isMarkForgotten(directory), false)
    await holder.kill()
    assert.equal(isMarkForgotten(directory), true)
  })

  for (const [name, shift] of [
    ['an hour ahead', 3_600_000],
    ['an hour back', -3_600_000],
  ] as const) {
    const extra = { preload: ['clock-shifted'], env: { CLOCK_SHIFT: String(shift) } }

    it(`is not taken from a living holder when the wall clock was set ${name}`, async test => {
      const directory = place(test)
      const holder = await inside(directory)
      assert.equal((await (await ready(directory, '', extra)).tell('go').end()).alone, false)
      await holder.tell('end', 'end').end()
    })

    it(`is taken from a dead holder when the wall clock was set ${name}`, async test => {
      const directory = place(test)
      await (await inside(directory)).kill()
      const { alone, ms } = await (await ready(directory, '', extra)).tell('go', 'end').end()
      assert.ok(alone && ms < 3000, `${alone} ${ms}`)
    })
  }

  for (const [name, seconds] of [
    ['a year old', Date.now() / 1000 - 31_536_000],
    ['of 1970', 1],
    ['of 2100', 4.1e9],
  ] as const) {
    it(`is not taken from a living holder whose lock directory looks ${name}`, async test => {
      const directory = place(test)
      const holder = await inside(directory)
      utimesSync(join(directory, 'handler.lock'), seconds, seconds)
      assert.equal((await (await ready(directory)).tell('go').end()).alone, false)
      await holder.tell('end', 'end').end()
      assert.deepEqual(holder.said.slice(0, -1), ['ready', 'in', 'out', 'in', 'out'])
    })
  }

  for (const dead of [false, true]) {
    const before = dead ? 'a dead holder’s lock' : 'a lock'
    it(`is had by one, when another is stopped right before it takes ${before}`, async test => {
      const directory = place(test)
      if (dead) await (await inside(directory)).kill()
      const slow = (await ready(directory, 'taking')).tell('go')
      await slow.stopped('taking')
      const other = await inside(directory)
      slow.signal('SIGCONT')
      assert.equal((await slow.end()).alone, false)
      await other.tell('end', 'end').end()
      assert.deepEqual(other.said.slice(0, -1), ['ready', 'in', 'out', 'in', 'out'])
    })
  }

  it('is not taken from a living holder by one that was stopped when it was about to take it from a dead one', async test => {
    const directory = place(test)
    await (await inside(directory)).kill()
    const slow = (await ready(directory, 'robbing')).tell('go')
    await slow.stopped('robbing')
    const other = await inside(directory)
    slow.signal('SIGCONT')
    assert.equal((await slow.end()).alone, false)
    await other.tell('end', 'end').end()
    assert.deepEqual(other.said.slice(0, -1), ['ready', 'in', 'out', 'in', 'out'])
  })

  it('leaves nothing behind in the state directory', async test => {
    const directory = place(test)
    const holder = await inside(directory)
    assert.deepEqual(
      readdirSync(join(directory, 'handler.lock')).map(name => name.split('-')[0]),
      [String(holder.pid)],
    )
    await holder.tell('end').end()
    assert.deepEqual(readdirSync(directory), [])
  })

  it('that cannot be given back is one line, and no bug', async t => {
    const { directory } = stateFiles(t)
    const work = async () => {
      // A disk that fails under it would do the same, but cannot be had without root.
      const [name = ''] = readdirSync(join(directory, 'handler.lock'))
      rmSync(join(directory, 'handler.lock', name))
      mkdirSync(join(directory, 'handler.lock', name))
    }
    await assert.rejects(asOnlyHandler(directory, work), {
      name: 'Temporary',
      message: /^cannot unlock [^\n]+; [^\n]+$/,
    })
  })

  it('is not taken from a holder that is stopped', async test => {
    const directory = place(test)
    const holder = await inside(directory)
    holder.signal('SIGSTOP')
    await until('it to be stopped', () => stateOf(holder.pid) === 'T', patience)
    assert.equal((await (await ready(directory)).tell('go').end()).alone, false)
    holder.signal('SIGCONT')
    await holder.tell('end', 'end').end()
    assert.deepEqual(holder.said.slice(0, -1), ['ready', 'in', 'out', 'in', 'out'])
  })
})
