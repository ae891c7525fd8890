import type { Facts } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** The guard is a script check in a configuration file. Script checks over HTTP are a known hole for remote execution. */
export function scriptChecks({ agent }: Facts): Finding {
  if ('unknown' in agent || (agent.localScripts === null && agent.remoteScripts === null)) {
    return warn('whether script checks are enabled is not known', 'set enable_local_script_checks to true')
  }
  if (agent.remoteScripts) {
    return unsafe(
      'enable_script_checks is true: whoever reaches the HTTP port can run anything here',
      'set enable_local_script_checks to true instead, restart the agent',
    )
  }
  if (agent.localScripts) return ok('script checks are enabled for configuration files only')
  return unsafe('script checks are off: no guard runs', 'set enable_local_script_checks to true, restart the agent')
}
