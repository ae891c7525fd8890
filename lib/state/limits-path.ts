/** Where the limits of this machine stand, and whether there are any: asked before each start, so it is cheap. */
import { existsSync } from 'node:fs'

/** WATCHBILL_LIMITS in the agent's environment names another file, which must then be there. */
export function limitsFile(): string {
  return process.env.WATCHBILL_LIMITS || '/etc/watchbill/limits.json'
}

export function isBounded(): boolean {
  return Boolean(process.env.WATCHBILL_LIMITS) || existsSync(limitsFile())
}
