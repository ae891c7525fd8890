import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { marked } from '../lab/marked.ts'

const file = join(import.meta.dirname, '../../examples/websockets/run.ts')

describe('1,000 websocket links', { concurrency: 1 }, () => {
  it('are open exactly once, through a join and a kill -9', async test => {
    const folder = folderFor(test)
    const { exitCode, stdout, stderr } = await start(folder, '--json')
    assert.equal(exitCode, 0, `${stdout}\n${stderr}`)
    const { join, drop, kill, ...rest } = JSON.parse(stdout)
    const exact = {
      links: 1000,
      openOnce: 1000,
      openTwice: 0,
      overlapSeconds: 0,
      tokensBack: 0,
      needless: 0,
      faults: [],
    }
    assert.deepEqual(rest, exact)
    for (const share of [join.moved, kill.closed]) assert.ok(share === 333 || share === 334, stdout)
    assert.equal(drop.closed, 100)
    await nothingIsLeft(folder)
  })

  it('leave nothing behind when one has seen enough', async test => {
    const folder = folderFor(test)
    const run = start(folder, '--links', '60')
    run.stdout.on('data', data => /a third one joins/.test(String(data)) && run.kill('SIGINT'))
    const { exitCode, all } = await run
    assert.equal(exitCode, 130, all)
    await nothingIsLeft(folder)
  })
})

function folderFor(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-links-'))
  test.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function start(folder: string, ...args: string[]) {
  const options = { env: { TMPDIR: folder }, all: true, reject: false, timeout: 240_000 } as const
  return execa(process.execPath, [file, ...args], options)
}

async function nothingIsLeft(folder: string): Promise<void> {
  assert.deepEqual(await marked(folder), [], 'processes')
  assert.deepEqual(readdirSync(folder), [], 'files')
}
