/** Where it stands how machines are powered off, and whether it stands there: asked while a lock is lost, so it is cheap. */
import { existsSync } from 'node:fs'

/** WATCHBILL_POWER_OFF in the agent's environment names another file, which must then be there. */
export function powerOffFile(): string {
  return process.env.WATCHBILL_POWER_OFF || '/etc/watchbill/power-off.json'
}

export function mayPowerOff(): boolean {
  return Boolean(process.env.WATCHBILL_POWER_OFF) || existsSync(powerOffFile())
}
