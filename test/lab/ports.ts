/**
 * Loopback ports that stay ours. Asking the kernel for port 0 and closing it again is not enough: another test process,
 * or any outgoing connection, may have it before the agent binds it, or while the agent is stopped. So ports come from
 * below the kernel's own range, in blocks; whoever listens on the first port of a block owns the block, until it exits.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'

const host = '127.0.0.1'
const first = 10_000
const size = 50
const pool: number[] = []

/** Ports that are free for TCP and UDP, and that no other lab on this machine will hand out while this process lives. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = pool.shift()
    if (port === undefined) pool.push(...(await claimBlock()))
    else if (await isFree(port)) ports.push(port)
  }
  return ports
}

/**
 * The ports of the first block that nobody has.
 * @param start where to begin looking, 0 to 1 of the way; anywhere unless said, so that labs seldom meet
 */
export async function claimBlock(start = Math.random()): Promise<number[]> {
  const blocks = Math.floor((kernelRange() - first) / size)
  for (let n = 0; n < blocks; n++) {
    const base = first + ((Math.floor(start * blocks) + n) % blocks) * size
    const claim = await listen(base)
    if (!claim) continue
    claim.unref()
    return Array.from({ length: size - 1 }, (_, i) => base + 1 + i)
  }
  throw new Error(`cannot find a free block of ${size} ports from ${first} on`)
}

/** The first port of those that the kernel gives to outgoing connections. */
function kernelRange(): number {
  return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split(/\s+/)[0])
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port)
  if (!server) return false
  server.close()
  await once(server, 'close')
  return datagramFree(port)
}

async function listen(port: number): Promise<Server | null> {
  const server = createServer().listen({ port, host, exclusive: true })
  return once(server, 'listening').then(
    () => server,
    () => null,
  )
}

async function datagramFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4').bind({ port, address: host, exclusive: true })
  const free = await once(socket, 'listening').then(
    () => true,
    () => false,
  )
  socket.close()
  return free
}
