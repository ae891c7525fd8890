import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { freePorts } from './ports.ts'

const module = JSON.stringify(join(import.meta.dirname, 'ports.ts'))

/** Looks where the others look, at the same time, and lives until all have answered. */
const program = `
  const { claimBlock } = await import(${module})
  console.log(JSON.stringify(await claimBlock(0.5)))
  process.stdin.resume()`

async function otherLab(): Promise<{ ports: number[]; end: () => void }> {
  const child = execa(process.execPath, ['--input-type=module', '-e', program])
  const [text] = await once(child.stdout, 'data')
  return { ports: JSON.parse(String(text)), end: () => child.stdin.end() }
}

async function listen(test: TestContext, port: number | undefined): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1')
  test.after(() => server.close())
  await once(server, 'listening')
}

describe('free ports', () => {
  it('are different ones, below those of outgoing connections, and can be bound', async test => {
    const ports = await freePorts(60)
    const limit = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1'), 10)
    assert.equal(new Set(ports).size, 60)
    assert.deepEqual(
      ports.filter(port => port < 10_000 || port >= limit),
      [],
    )
    await listen(test, ports[0])
  })

  it('are never those that somebody listens on', async test => {
    const [port = 0] = await freePorts(1)
    await listen(test, port + 1)
    assert.ok(!(await freePorts(3)).includes(port + 1))
  })

  it('are never those of another lab', { timeout: 20_000 }, async () => {
    const labs = await Promise.all([otherLab(), otherLab(), otherLab()])
    const ports = labs.flatMap(lab => lab.ports)
    for (const lab of labs) lab.end()
    assert.equal(new Set(ports).size, 3 * 49)
  })
})
