import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { atMost, exactly, fresh, interleaved, json, median, paired, plainEnv, ratio, table, told } from './bench.ts'

function bench(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'run.ts'), ...args])
  return { status, stdout: stdout.toString(), stderr: stderr.toString() }
}

test('without a name nothing runs, and the benches are listed', () => {
  const { status, stdout } = bench()
  assert.equal(status, 0)
  assert.match(stdout, /^npm run bench -- <name> .*\broster\b.*\n$/)
  const listed = stdout.trim().split('one of: ')[1]?.split(', ') ?? []
  assert.deepEqual(
    listed.filter(name => /^run$|^bench|test/.test(name)),
    [],
  )
})

for (const args of [['nonsense'], ['../bench'], ['roster', 'start'], ['--nonsense']]) {
  test(`refused in one line: ${args.join(' ')}`, () => {
    const { status, stdout, stderr } = bench(...args)
    assert.equal(status, 100)
    assert.equal(stdout, '')
    assert.match(stderr, /^bench: permanent: cannot run .*: .*; use one of: .*\broster\b.*\n$/)
  })
}

test('a bar is kept or missed', () => {
  assert.equal(atMost(2, 'a', 2).ok, true)
  assert.equal(atMost(2, 'a', 2.0001).ok, false)
  assert.equal(atMost(2, 'a', Number.NaN).ok, false)
  assert.equal(exactly(3, 'b', 2).ok, false)
  assert.deepEqual(told('c', 1.23456, 'ms'), { row: 'c', value: 1.235, unit: 'ms', bar: null, ok: true })
})

test('rows for people and for programs', () => {
  const rows = [atMost(2.5, 'whole map', 1.5, 'x plain'), exactly(99, 'moved', 100), told('plain', 8, 'ms')]
  assert.deepEqual(table(rows).split('\n'), [
    'row        figure       bar  ok',
    'whole map  1.5 x plain  2.5  yes',
    'moved      100          99   NO',
    'plain      8 ms         -    yes',
  ])
  assert.deepEqual(JSON.parse(json('roster', rows)), {
    bench: 'roster',
    rows: [
      { row: 'whole map', value: 1.5, bar: 2.5, ok: true },
      { row: 'moved', value: 100, bar: 99, ok: false },
      { row: 'plain', value: 8, bar: null, ok: true },
    ],
  })
})

test('medians, and medians of quotients', () => {
  assert.equal(median([3, 100, 1]), 3)
  assert.equal(median([4, 1, 2, 100]), 3)
  assert.equal(ratio([2, 300, 4], [1, 100, 4]), 2)
})

test('tasks take turns, and the first round does not count', async () => {
  const ran: string[] = []
  const task = (name: string) => async () => ran.push(name)
  const results = await interleaved(2, [task('a'), task('b')])
  assert.deepEqual(ran, ['b', 'a', 'a', 'b', 'b', 'a'])
  assert.deepEqual(results, [
    [3, 6],
    [4, 5],
  ])
})

test('children start without what would change how node starts', async () => {
  process.env.NODE_OPTIONS = '--no-warnings'
  process.env.NODE_EXTRA_CA_CERTS = '/nowhere'
  try {
    const script = 'console.log(process.env.NODE_OPTIONS, process.env.NODE_EXTRA_CA_CERTS, process.env.EXTRA)'
    assert.equal(await fresh(['-e', script]), 'undefined undefined undefined\n')
    assert.equal(plainEnv({ EXTRA: 'x' }).EXTRA, 'x')
  } finally {
    delete process.env.NODE_OPTIONS
    delete process.env.NODE_EXTRA_CA_CERTS
  }
})

test('paired runs tell wall time from CPU time', async () => {
  const spin = 'const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end);'
  const [empty, sleeper, spinner] = await paired(1, [
    { name: 'empty', argv: ['true'] },
    { name: 'sleeper', argv: ['sleep', '0.3'] },
    { name: 'spinner', argv: ['sh', '-c', '"$0" -e "$1"; true', process.execPath, spin] },
  ])
  assert.equal(empty?.name, 'empty')
  assert.ok(sleeper && sleeper.wallMedian >= 300 && sleeper.cpuMedian < 100, JSON.stringify(sleeper))
  assert.ok(spinner && spinner.cpuMedian >= 300, JSON.stringify(spinner))
  assert.ok(empty && empty.cpuMedian < spinner.cpuMedian)
})

test('a paired command finds its input and its environment, and need not read', async () => {
  const input = Buffer.from('x'.repeat(300_000))
  const [read, deaf] = await paired(1, [
    { name: 'reads', argv: ['sh', '-c', 'test "$(wc -c)" -eq "$SIZE"'], input, env: { SIZE: '300000' } },
    { name: 'does not', argv: ['true'], input },
  ])
  assert.ok(read && deaf)
})

test('a command that fails is no measurement', async () => {
  const argv = ['sh', '-c', 'echo broken >&2; exit 3']
  await assert.rejects(paired(1, [{ name: 'it', argv }]), { message: 'it exited with 3: broken' })
  await assert.rejects(fresh(['-e', 'process.exit(4)']), { message: '-e process.exit(4) exited with 4' })
})
