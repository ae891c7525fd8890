import type { Facts } from '../facts.ts'
import { type Finding, ok, warn } from '../finding.ts'

export function parentDeath({ setpriv }: Facts): Finding {
  if (setpriv) return ok('setpriv ties each process to its shepherd')
  return warn(
    'there is no setpriv with --pdeathsig: a process whose shepherd is killed lives until the guard sees it',
    'install util-linux 2.33 or later',
  )
}
