/** From templates and a view to the texts of files. Nothing is written here. */
import { readFileSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { reason } from '../base/errors.ts'
import { encode } from '../base/names.ts'
import { listed } from '../base/text.ts'
import type { Render } from '../definition/definition.ts'
import type { Turned } from './engine.ts'
import type { Input } from './input.ts'
import { inMiB, mostTemplate } from './limits.ts'
import { turnApart } from './turn.ts'
import { atVersion, type Entry } from './versions.ts'

/** One file as it should be. */
export interface Wanted {
  readonly render: Render
  readonly dest: string
  readonly text: string
  /** What `{version}` stands for; '' where it does not stand. */
  readonly version: string
  /** The partition that it is about; null for one file for all. */
  readonly partition: string | null
}

/** What a failure is about, and why, without what to do next. */
export interface Failure {
  readonly render: Render
  readonly dest: string
  readonly partition: string | null
  readonly why: string
}

export type Text = { readonly text: string } | { readonly error: string }

/** A template file, or why it cannot be used. */
export function readTemplate(file: string): Text {
  try {
    const { size } = statSync(file)
    if (!statSync(file).isFile()) return { error: 'the template is not a file' }
    if (size > mostTemplate)
      return { error: `the template has ${inMiB(size)}; at most ${inMiB(mostTemplate)} are read` }
    return { text: readFileSync(file, 'utf8') }
  } catch (error) {
    return { error: `the template cannot be read: ${reason(error)}` }
  }
}

export interface Made {
  readonly wanted: readonly Wanted[]
  readonly failures: readonly Failure[]
}

/** @param template as read from the file */
export async function make(
  { render, version, refusal, partitions }: Entry,
  template: Text,
  input: Input,
  turn: (job: Parameters<typeof turnApart>[0]) => Promise<readonly Turned[]> = turnApart,
): Promise<Made> {
  const ids = partitions ?? [null]
  const fail = (why: string, partition: string | null = null): Failure => {
    return { render, dest: destOf(render, partition, version), partition, why }
  }
  if (refusal !== null) return { wanted: [], failures: ids.map(id => fail(refusal, id)) }
  if ('error' in template) return { wanted: [], failures: [fail(template.error)] }
  const turned = await turn({
    ...{ template: template.text, input, each: partitions !== null },
    ...(partitions !== null && { only: partitions }),
  })
  const [first] = turned
  if (turned.length !== ids.length) {
    const why = first !== undefined && 'error' in first ? first.error : 'the program template gave no text for it'
    return { wanted: [], failures: [fail(`${posix.basename(render.template)}: ${why}`)] }
  }
  const made = turned.map((one, at) => ({ one, partition: ids[at] ?? null }))
  return {
    wanted: made.flatMap(({ one, partition }) =>
      'text' in one ? [{ render, dest: destOf(render, partition, version), text: one.text, version, partition }] : [],
    ),
    failures: made.flatMap(({ one, partition }) =>
      'error' in one ? [fail(`${posix.basename(render.template)}: ${one.error}`, partition)] : [],
    ),
  }
}

/** An id is encoded as in its key, so that it cannot lead elsewhere. */
export function destOf({ dest }: Render, partition: string | null, version: string): string {
  const one = atVersion(dest, version)
  return partition === null ? one : one.replaceAll('{partition}', () => encode(partition))
}

/** One sentence for all files that have the same trouble. */
export function problemsOf(failures: readonly Failure[]): string[] {
  const groups = Map.groupBy(failures, ({ why }) => why)
  return [...groups].map(
    ([why, some]) => `cannot render ${listed(some.map(({ dest }) => dest))}: ${why}; what is there stays`,
  )
}
