import type { Facts, Installed } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** Whether the limits of definitions can be kept, and whether the machine's own allow them. Prints nothing without either. */
export function ownLimits({ installed }: Facts): Finding[] {
  return installed.flatMap(one => [...kept(one), ...allowed(one)])
}

function kept({ service, unkept, bestEffort }: Installed): Finding[] {
  if (unkept === undefined) return []
  if (unkept.length === 0) return [ok(`the limits of ${service} can be kept`)]
  const what = `cannot be had for ${service}: ${unkept.join('; ')}`
  if (bestEffort) return [warn(what, 'it is started without: see docs/limits.md')]
  return [unsafe(`${what}; nothing of it is started`, 'see docs/limits.md, or say "limits": "best-effort" in run')]
}

function allowed({ service, refused }: Installed): Finding[] {
  if (refused === undefined) return []
  if (refused === null) return [ok(`the limits of this machine allow ${service}`)]
  return [
    unsafe(`the limits of this machine do not allow ${service}: ${refused}`, 'nothing of it is started until then'),
  ]
}
