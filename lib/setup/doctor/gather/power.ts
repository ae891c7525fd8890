/** Reads how machines are powered off from here. */
import { reason } from '../../../base/errors.ts'
import { isProgram } from '../../../machine/is-program.ts'
import { readPowerOff } from '../../../state/power.ts'
import { mayPowerOff, powerOffFile } from '../../../state/power-path.ts'
import type { PowerFacts } from '../facts.ts'

/** Undefined on a machine that powers nobody off. */
export function powerFacts(): PowerFacts | undefined {
  if (!mayPowerOff()) return undefined
  const file = powerOffFile()
  try {
    const { command, confirm, afterMs } = readPowerOff(file)
    const programs = [command, confirm].map(([program = '']) => program)
    return { file, problem: null, absent: programs.filter(program => !isProgram(program)), afterMs }
  } catch (error) {
    return { file, problem: reason(error), absent: [], afterMs: 0 }
  }
}
