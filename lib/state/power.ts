/** Reads how machines are powered off. Unlike limits, no last good version counts: while the file is bad, nobody is. */
import { readFileSync } from 'node:fs'
import { reason } from '../base/errors.ts'
import { type PowerOff, powerOffIn, refusedFile } from '../definition/power.ts'
import { powerOffFile } from './power-path.ts'
import { notRootsAlone } from './roots-own.ts'

/** @throws Permanent when the file cannot be read, others than root may write it, or it says what it may not */
export function readPowerOff(file = powerOffFile()): PowerOff {
  return powerOffIn(textOf(file), file)
}

function textOf(file: string): string {
  let problem: string | null
  let text = ''
  try {
    problem = notRootsAlone(file)
    text = readFileSync(file, 'utf8')
  } catch (error) {
    problem = reason(error)
  }
  if (problem !== null) throw refusedFile(file, problem)
  return text
}
