/** The source of a definition file in the form that the programs use. */
import { duration } from '../base/clock.ts'
import type { Source, SourceFrom } from './definition.ts'
import type { DefinitionFile } from './schema.ts'

type Given = DefinitionFile['partitions']

/** Null when the definition lists its partitions itself. */
export function sourceOf(given: Given): Source | null {
  const from = fromOf(given)
  if (from === null) return null
  const everyMs = given.every === 'never' ? null : ms(given.every ?? '30s')
  return {
    from,
    format: from.kind === 'module' ? 'json' : (given.format ?? 'json'),
    items: given.items ?? (from.kind === 'http' ? '/data' : ''),
    id: given.id ?? '/id',
    everyMs,
    jitterMs: given.jitter === undefined ? (everyMs ?? 0) / 10 : ms(given.jitter),
    timeoutMs: ms(given.timeout ?? '10s'),
    retryMs: ms(given.retry ?? '1s'),
    giveUpAfterMs: ms(given.giveUpAfter ?? '2m'),
    maxDrop: Number.parseInt(given.maxDrop ?? '50%', 10) / 100,
    ...(given.removes === false && { removes: false as const }),
    ...(given.then && { onGiveUp: given.then }),
  }
}

function fromOf({ file, http, command, module, config }: Given): SourceFrom | null {
  if (file !== undefined) return { kind: 'file', path: file }
  if (command !== undefined) return { kind: 'command', command }
  if (module !== undefined) return { kind: 'module', path: module, ...(config === undefined ? {} : { config }) }
  if (http === undefined) return null
  const { ca = null, cert = null, key = null, serverName = null } = http.tls ?? {}
  return {
    kind: 'http',
    url: http.url,
    method: http.method ?? 'GET',
    headers: http.headers ?? {},
    body: http.body ?? null,
    tls: { ca, cert, key, serverName },
  }
}

function ms(text: string): number {
  return duration(text) as number
}
