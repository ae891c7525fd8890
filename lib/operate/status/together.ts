/** Which arguments of `status` go together: one that would be ignored is refused, or a script would trust its answer. Pure. */
import { Permanent } from '../../base/errors.ts'
import type { Asked } from './screen.ts'

export interface StatusArgs extends Asked {
  readonly service?: string | undefined
  readonly watch?: boolean | undefined
  readonly check?: boolean | undefined
  readonly json?: boolean | undefined
  readonly wait?: string | undefined
}

type Name = keyof StatusArgs

const ofOne: readonly Name[] = ['watch', 'wait', 'check', 'problems', 'instance', 'state']
const ofWatch: readonly Name[] = ['check', 'json', 'wait']
const ofCheck: readonly Name[] = ['instance', 'state']

/** @throws Permanent that names two that do not */
export function mustGoTogether(args: StatusArgs): void {
  const { service, partition, watch, check } = args
  const wrong = (why: string) => new Permanent(`cannot read the arguments: ${why}`)
  const given = (names: readonly Name[]) => names.find(name => args[name] !== undefined && args[name] !== false)
  if (watch && !service) throw wrong('no service is named; say watchbill status SERVICE --watch')
  const beside = watch ? given(ofWatch) : check ? given(ofCheck) : undefined
  if (beside !== undefined)
    throw wrong(`--${beside} does not go with --${watch ? 'watch' : 'check'}; leave one of them out`)
  if (partition === undefined) return
  if (check) throw wrong('--check is about a whole service; leave the partition out')
  const ignored = partition.includes('*') ? undefined : given(ofOne)
  if (ignored !== undefined) throw wrong(`--${ignored} does not go with one partition; leave one of them out`)
}
