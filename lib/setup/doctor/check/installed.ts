import type { Facts, Installed } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** Whether configure's files exist, are what configure would write now, and are what the agent runs. */
export function installations(facts: Facts): Finding[] {
  if (facts.installed.length === 0) {
    return [warn(`${facts.consulDir} holds no watchbill-*.json`, 'run configure, or give --consul-dir')]
  }
  return facts.installed.flatMap(one => [installation(one, facts), ...absent(one)])
}

function absent({ id, absent }: Installed): Finding[] {
  return absent.map(({ field, program }) =>
    warn(`${field} of ${id} names ${program}, which is no program here`, 'install it, or correct the definition'),
  )
}

function installation(
  { file, id, problem, current, missingPrograms, definitionProblem }: Installed,
  { agent }: Facts,
): Finding {
  if (problem !== null) return unsafe(`${file} cannot be used: ${problem}`, 'run configure')
  if (missingPrograms.length > 0)
    return unsafe(`${id} names what is not there: ${missingPrograms.join(', ')}`, 'run configure')
  if (definitionProblem !== null)
    return warn(
      `the definition of ${id} cannot be used: ${definitionProblem}`,
      'mend it; the last good one is in force',
    )
  if (!current) return warn(`${file} is not what configure would write now`, 'run configure, then consul reload')
  if (!('unknown' in agent) && !agent.services.includes(id))
    return warn(`the agent does not have ${id}`, 'run consul reload')
  return ok(`${id} is installed as configure would do it now, and its programs are there`)
}
