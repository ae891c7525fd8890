import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { type Beat, faults, parseBeats, readBeats } from './beats.ts'
import { until } from './until.ts'

const worker = join(import.meta.dirname, 'worker.sh')

function beatsFile(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-beats-'))
  test.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'beats')
  writeFileSync(file, '')
  return file
}

function start(test: TestContext, args: string[], env: Record<string, string>): ChildProcess {
  const child = spawn(worker, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'ignore', 'inherit'] })
  test.after(() => child.kill('SIGKILL'))
  return child
}

function identity(partition: string, token = '12') {
  return { WATCHBILL_INSTANCE: 'node-1:svc', WATCHBILL_PARTITION: partition, WATCHBILL_TOKEN: token }
}

function beats(file: string, enough: number): Promise<Beat[]> {
  return until(`${enough} beats`, async see => {
    const beats = see(await readBeats(file))
    return beats.length >= enough && beats
  })
}

describe('the worker', () => {
  it('beats by the boot clock, with who it is', async test => {
    const file = beatsFile(test)
    const began = bootClock()
    const { pid } = start(test, [file], identity('part α 1'))
    const [first, ...rest] = await beats(file, 5)
    const { at, ...facts } = first as Beat
    assert.deepEqual(facts, { instance: 'node-1:svc', pid, partition: 'part α 1', token: '12', stop: false })
    assert.ok(at >= began && at <= bootClock(), `${at} is not now, ${began} to ${bootClock()}`)
    assert.ok(Number(rest[3]?.at) - at >= 200, 'five beats in less than four rests')
  })

  it('says stop as its last word when it is told to, and exits 0', async test => {
    const file = beatsFile(test)
    const child = start(test, [], { ...identity('p'), BEATS: file })
    await beats(file, 2)
    child.kill('SIGTERM')
    const code = await until('the worker to end', () => child.exitCode ?? child.signalCode)
    assert.equal(code, 0)
    const stops = parseBeats(readFileSync(file, 'utf8')).map(beat => beat.stop)
    assert.deepEqual([stops.at(-1), stops.slice(0, -1).includes(true)], [true, false])
  })

  it('never mixes its lines with those of others', async test => {
    const file = beatsFile(test)
    const names = Array.from({ length: 12 }, (_, i) => `p${i}`)
    for (const name of names) start(test, [file], identity(name))
    await beats(file, 150)
    assert.deepEqual(faults(await readBeats(file), names), [])
  })

  it('ends by itself when its file is gone', async test => {
    const file = beatsFile(test)
    const child = start(test, [file], identity('p'))
    await beats(file, 1)
    rmSync(file)
    assert.equal(await until('the worker to end', () => child.exitCode ?? child.signalCode), 0)
  })
})
