/** Every command of a definition, by its field. */
import type { Definition } from './definition.ts'

export interface Named {
  readonly field: string
  readonly command: readonly string[]
}

export function commandsIn({ run, stop, hooks, checks, source }: Definition): Named[] {
  const optional = { 'stop.command': stop.command, 'stop.gone': stop.gone, ...named('hooks.', hooks) }
  const fetching = source?.from.kind === 'command' ? { 'partitions.command': source.from.command } : {}
  const chosen = named('run.command.of.', run.choose?.of ?? {})
  const own = run.choose === undefined ? { 'run.command': run.command } : chosen
  const all: Record<string, readonly string[] | null | undefined> = { ...own, ...optional, ...fetching }
  return [
    ...Object.entries(all).flatMap(([field, command]) => (command ? [{ field, command }] : [])),
    ...checks.flatMap((check, index) => ofCheck(check, `checks[${index}]`)),
  ]
}

/** Commands by name, with their fields. */
function named(
  prefix: string,
  commands: Readonly<Record<string, readonly string[] | undefined>>,
): Record<string, readonly string[] | undefined> {
  return Object.fromEntries(Object.entries(commands).map(([name, command]) => [`${prefix}${name}`, command]))
}

function ofCheck(check: Definition['checks'][number], place: string): Named[] {
  const { command, onFailure, onWarning, onPass } = check
  const reactions = Object.entries({ onFailure, onWarning, onPass }).flatMap(([field, list]) =>
    list.flatMap((reaction, index) => {
      const where = list.length === 1 ? `${place}.${field}` : `${place}.${field}[${index}]`
      return typeof reaction === 'string' ? [] : [{ field: where, command: reaction }]
    }),
  )
  return [...(command === null ? [] : [{ field: `${place}.command`, command }]), ...reactions]
}
