/** Refuses definitions that this machine's limits do not allow, or whose own limits it cannot keep. */
import { addressFrom } from '../../consul/address.ts'
import { refusal } from '../../definition/read.ts'
import { outside, sumOutside } from '../../definition/within.ts'
import { unkept } from '../../process/limits/keepable.ts'
import { allowed, inForceBeside, inWords } from '../../state/allowed.ts'
import { isBounded } from '../../state/limits-path.ts'
import { agentPid, userOf } from '../doctor/gather/machine.ts'
import type { Service } from './services.ts'

/** @throws Permanent that names the file and the field */
export function mustBeWithinLimits(services: readonly Service[], stateRoot: string): void {
  const { bounds, problem } = isBounded() ? allowed(null) : { bounds: null, problem: null }
  const others =
    bounds === null ? [] : inForceBeside(stateRoot, new Set(services.map(({ definition }) => definition.id)))
  for (const [index, { file, definition }] of services.entries()) {
    if (problem !== null) throw refusal(file, problem)
    if (bounds !== null) {
      const before = [...others, ...services.slice(0, index).map(service => service.definition)]
      const found = outside(definition, bounds) ?? sumOutside(definition, before, bounds)
      if (found !== null) throw refusal(file, inWords(found))
    }
    mustBeKept({ file, definition })
  }
}

function mustBeKept({ file, definition }: Service): void {
  const { limits } = definition.run
  if (limits === undefined || limits.bestEffort) return
  const [why, ...more] = unkept(definition, agentHere())
  if (why === undefined) return
  const others = more.length > 0 ? ` (and ${more.length} more)` : ''
  throw refusal(
    file,
    `${why}${others}; give the machine what it lacks (see doctor), or say "limits": "best-effort" in run`,
  )
}

/** Before the agent was ever started, configure's own user and place stand for it. */
function agentHere() {
  const pid = agentPid(addressFrom(process.env))
  return { pid, uid: (pid === null ? null : userOf(pid)) ?? process.geteuid?.() ?? 0 }
}
