/** Takes the screenshots in docs/page/: npm run screenshots. It plays the demo, and needs chromium (Debian's package). */
import { join } from 'node:path'
import { execa } from 'execa'

const folder = join(import.meta.dirname, '../../docs/page')
const proof = join(import.meta.dirname, 'cluster.proof.ts')
const env = { SHOTS: folder }
const { exitCode } = await execa(process.execPath, ['--test', proof], { env, stdio: 'inherit', reject: false })
process.exitCode = exitCode ?? 1
