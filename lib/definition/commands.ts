/** Every command of a definition, by its field. */
import type { Definition } from './definition.ts'

export interface Named {
  readonly field: string
  readonly command: readonly string[]
}

export function commandsIn(definition: Definition): Named[] {
  const { role, run, stop, hooks, checks, source, assign, versions, whenIsolated, render = [] } = definition
  const optional = { 'stop.command': stop.command, 'stop.gone': stop.gone, ...named('hooks.', hooks) }
  const fetching = source?.from.kind === 'command' ? { 'partitions.command': source.from.command } : {}
  const deciding = assign?.from.kind === 'command' ? { 'assign.command': assign.from.command } : {}
  const rolling = { 'versions.prepare': versions?.prepare, 'versions.clean': versions?.clean }
  const cutOff = { 'whenIsolated.run': typeof whenIsolated === 'object' ? whenIsolated.run : undefined }
  const chosen = named('run.command.of.', run.choose?.of ?? {})
  const runs = run.choose === undefined ? { 'run.command': run.command } : chosen
  const own = role === 'observer' ? {} : runs
  const all: Record<string, readonly string[] | null | undefined> = {
    ...own,
    ...optional,
    ...fetching,
    ...deciding,
    ...rolling,
    ...cutOff,
  }
  return [
    ...Object.entries(all).flatMap(([field, command]) => (command ? [{ field, command }] : [])),
    ...checks.flatMap((check, index) => ofCheck(check, `checks[${index}]`)),
    ...render.flatMap((one, index) => ofRender(one, `render[${index}]`)),
  ]
}

function ofRender({ check, command }: NonNullable<Definition['render']>[number], place: string): Named[] {
  const both = Object.entries({ check, command })
  return both.flatMap(([field, one]) => (one === undefined ? [] : [{ field: `${place}.${field}`, command: one }]))
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
