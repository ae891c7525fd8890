import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { capOutputs, mostOutput } from '../../lib/guard/cap-output.ts'
import { directory } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const MiB = 1024 * 1024
const GiB = 1024 * MiB
const outputOf = (t: TestContext, name = 'output') => join(directory(t), name)
const taken = (file: string) => statSync(file).blocks * 512
const none = (_: string) => {}

/** As a writer that opened its output without O_APPEND, and has an offset of its own. */
function writeAt(output: string, offset: number, text: string): void {
  const file = openSync(output, 'r+')
  writeSync(file, text, offset)
  closeSync(file)
}

describe('an output that is too long', () => {
  it('is put aside as far as its last MiB, and begins anew', t => {
    const output = outputOf(t)
    const lines = Array.from({ length: 300_000 }, (_, n) => `line ${n}\n`).join('')
    writeFileSync(output, lines)
    capOutputs([output], none)
    assert.equal(statSync(output).size, 0)
    assert.equal(readFileSync(`${output}.1`, 'utf8'), lines.slice(-mostOutput))
  })

  it('is left alone while it is not too long', t => {
    const output = outputOf(t)
    writeFileSync(output, 'x'.repeat(mostOutput))
    capOutputs([output], none)
    assert.equal(statSync(output).size, mostOutput)
    assert.equal(statSync(`${output}.1`, { throwIfNoEntry: false }), undefined)
  })

  it('whose writer is at 6 GiB costs what it has written since, and no time', t => {
    const output = outputOf(t)
    writeFileSync(output, '')
    for (let round = 0; round < 5; round++) {
      writeAt(output, 6 * GiB + round * 100, `round ${round}\n`)
      const begun = performance.now()
      capOutputs([output], none)
      assert.ok(performance.now() - begun < 1000)
    }
    assert.ok(taken(output) < MiB)
    writeAt(output, 6 * GiB, 'y'.repeat(mostOutput + 4096))
    capOutputs([output], none)
    assert.equal(readFileSync(`${output}.1`, 'utf8'), 'y'.repeat(mostOutput))
    assert.equal(taken(output), 0)
  })

  it('that is nothing but a hole takes no earlier output away', t => {
    const output = outputOf(t)
    writeFileSync(output, '')
    writeFileSync(`${output}.1`, 'before\n')
    truncateSync(output, 6 * GiB)
    capOutputs([output], none)
    assert.equal(statSync(output).size, 0)
    assert.equal(readFileSync(`${output}.1`, 'utf8'), 'before\n')
  })

  it('keeps the bytes 0 that were printed, and skips holes', t => {
    const output = outputOf(t)
    const printed = Buffer.concat([Buffer.from('a\0b\0'), Buffer.alloc(200), Buffer.from('c\n')])
    writeFileSync(output, printed)
    const file = openSync(output, 'r+')
    writeSync(file, Buffer.alloc(MiB, 'z'), 0, MiB, 4 * MiB)
    ftruncateSync(file, 5 * MiB + 300_000)
    writeSync(file, printed, 0, printed.length, 5 * MiB + 300_000)
    closeSync(file)
    capOutputs([output], none)
    assert.ok(readFileSync(`${output}.1`).subarray(-printed.length).equals(printed))
    assert.ok(statSync(`${output}.1`).size < MiB - 290_000)
  })

  it('costs one tick a bounded time, however many there are', t => {
    const outputs = Array.from({ length: 12 }, () => outputOf(t))
    for (const output of outputs) {
      writeFileSync(output, '')
      writeAt(output, 0, 'x'.repeat(2 * MiB))
    }
    const clock = t.mock.method(process, 'hrtime')
    let now = 0
    const later = (): [number, number] => {
      now += 60
      return [0, now * 1e6]
    }
    clock.mock.mockImplementation(Object.assign(later, { bigint: process.hrtime.bigint }))
    const left = () => outputs.filter(output => statSync(output).size > 0).length
    capOutputs(outputs, none)
    const after = left()
    assert.ok(after > 0 && after < outputs.length, `${after} left`)
    for (let tick = 0; tick < outputs.length; tick++) capOutputs(outputs, none)
    assert.equal(left(), 0)
  })

  it('that is no file, or cannot be put aside, stops nobody', t => {
    const output = outputOf(t)
    symlinkSync('/dev/zero', output)
    const other = outputOf(t)
    writeFileSync(other, 'x'.repeat(2 * MiB))
    symlinkSync('/dev/full', `${other}.1`)
    const said: string[] = []
    capOutputs([output, other, join(directory(t), 'none')], line => said.push(line))
    assert.equal(statSync(other).size, 0, 'a full disk gets its room back')
    assert.match(said.join('|'), /^cannot put \S+ aside: ENOSPC[^|]*$/)
  })
})

describe('a process that opens its output anew', () => {
  const outputs = {
    '/dev/stderr': 'yes | tee /dev/stderr',
    '/dev/stdout': 'while :; do yes | head -c 9999; done >/dev/stdout',
  }
  for (const [name, script] of Object.entries(outputs)) {
    it(`as ${name} never fills the disk`, async t => {
      const output = outputOf(t)
      const file = openSync(output, 'a')
      const child = spawn('sh', ['-c', script], {
        stdio: ['ignore', file, file],
        detached: true,
      })
      t.after(() => process.kill(-(child.pid as number), 'SIGKILL'))
      closeSync(file)
      let most = 0
      let rounds = 0
      await until(
        'enough to be printed',
        () => {
          capOutputs([output], none)
          most = Math.max(most, statSync(`${output}.1`, { throwIfNoEntry: false })?.size ?? 0)
          return ++rounds > 40 && most > 0
        },
        { every: 10 },
      )
      assert.ok(most <= mostOutput, `output.1 has ${most} bytes`)
    })
  }
})
