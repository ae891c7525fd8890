import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { folder, root, run } from '../configure/run.ts'

it('leaves nothing behind where there is no Consul to become', async () => {
  const home = folder()
  const directories = ['--data-dir', join(home, 'data'), '--consul-dir', join(home, 'consul.d')]
  const args = ['agent', '--server', '--bootstrap', '--consul', join(home, 'consul'), ...directories]
  const { code, stderr } = await run(process.execPath, [join(root, 'handlers/watchbill.js'), ...args])
  assert.match(stderr, /^agent: permanent: cannot /)
  assert.deepEqual([code, readdirSync(home)], [100, []])
})
