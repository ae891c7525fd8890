/** Asks `consul validate` whether Consul accepts a configuration, before the agent reads it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { Permanent } from '../../base/errors.ts'

/** Required settings for `consul validate`, which refuses an incomplete configuration, such as one without data_dir. */
const rest = { data_dir: '/nonexistent', bind_addr: '127.0.0.1', enable_local_script_checks: true }

/**
 * @returns false when there is no consul on PATH to ask
 * @throws Permanent with Consul's reason
 */
export async function validate(config: string): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-validate-'))
  try {
    writeFileSync(join(folder, 'agent.json'), JSON.stringify(rest))
    writeFileSync(join(folder, 'watchbill.json'), config)
    const { failed, code, stdout, stderr } = await execa('consul', ['validate', folder], {
      reject: false,
      stdin: 'ignore',
      timeout: 20_000,
    })
    if (code === 'ENOENT') return false
    if (failed) throw refused(`${stdout}\n${stderr}`)
    return true
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function refused(said: string): Permanent {
  const why = said.replace(/\s+/g, ' ').trim()
  return new Permanent(`cannot use this configuration: consul validate says: ${why}; use a Consul of 1.7 or later`)
}
