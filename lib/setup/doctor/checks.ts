/** All checks, in the order in which they are printed. Each is pure. */
import { accessControl } from './check/access.ts'
import { leaveOnTerminate, skipLeaveOnInterrupt } from './check/agent-settings.ts'
import { connections } from './check/connections.ts'
import { containment } from './check/containment.ts'
import { gossipEncryption } from './check/encryption.ts'
import { guardChecks } from './check/guard-check.ts'
import { installations } from './check/installed.ts'
import { killMode } from './check/kill-mode.ts'
import { limits } from './check/limits.ts'
import { names } from './check/names.ts'
import { ownLimits } from './check/own-limits.ts'
import { power } from './check/power.ts'
import { schedulers } from './check/scheduler.ts'
import { scriptChecks } from './check/script-checks.ts'
import { parentDeath } from './check/setpriv.ts'
import { stateDirectories } from './check/state-directory.ts'
import { timing } from './check/timing.ts'
import { tokens } from './check/token.ts'
import { consulVersion } from './check/version.ts'
import { versions } from './check/versions.ts'
import type { Facts } from './facts.ts'
import type { Finding } from './finding.ts'

const checks: readonly ((facts: Facts) => Finding | Finding[])[] = [
  consulVersion,
  limits,
  leaveOnTerminate,
  skipLeaveOnInterrupt,
  scriptChecks,
  killMode,
  installations,
  guardChecks,
  connections,
  timing,
  stateDirectories,
  versions,
  names,
  accessControl,
  tokens,
  gossipEncryption,
  parentDeath,
  containment,
  schedulers,
  ownLimits,
  power,
]

export function examine(facts: Facts): Finding[] {
  return checks.flatMap(check => check(facts))
}

/** One line: `unsafe: <what is>; <what to do>`. */
export function lineOf({ level, sentence, todo }: Finding): string {
  return `${`${level}:`.padEnd(8)}${sentence}${todo && `; ${todo}`}`
}
