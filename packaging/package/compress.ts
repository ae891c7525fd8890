/** Compresses archives; the same bytes on every machine with the same version of the program. */
import { spawn } from 'node:child_process'
import { gzipSync } from 'node:zlib'

export type Compression = 'xz' | 'gzip'

export const suffix = { xz: 'xz', gzip: 'gz' } as const

export async function compressed(bytes: Buffer, compression: Compression): Promise<Buffer> {
  // Node writes no time into the header.
  if (compression === 'gzip') return gzipSync(bytes, { level: 9 })
  // With two threads xz always cuts blocks, on a machine with one processor too: so the output is the same.
  return through('xz', ['-6', '--threads=2', '--block-size=25165824', '--stdout'], bytes)
}

function through(program: string, args: readonly string[], input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const parts: Buffer[] = []
    child.stdout.on('data', part => parts.push(part))
    child.on('error', reject)
    child.on('close', code =>
      code === 0 ? resolve(Buffer.concat(parts)) : reject(new Error(`${program} exited with ${code}`)),
    )
    child.stdin.on('error', () => {}).end(input)
  })
}
