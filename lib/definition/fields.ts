/** The kinds of field in a definition, each with its error message. */
import * as z from 'zod/mini'
import { duration } from '../base/clock.ts'
import { encode } from '../base/names.ts'
import { placeholderInCode } from './code-argument.ts'
import { mostIds } from './definition.ts'
import { kind, shown } from './wording.ts'

type Wrong = { error: (issue: { input: unknown }) => string }

/** The error "cannot be VALUE; give WANTED", for a field whose value may be shown. */
export function give(wanted: string): Wrong {
  return { error: ({ input }) => `${input === undefined ? 'is missing' : `cannot be ${shown(input)}`}; give ${wanted}` }
}

/** The same error with only the kind of the value, for a value that may be long or a secret. */
export function giveUnseen(wanted: string): Wrong {
  return { error: ({ input }) => `${input === undefined ? 'is missing' : `cannot be ${kind(input)}`}; give ${wanted}` }
}

/** Adds a description and examples, which editors show. */
export function about<Field extends z.ZodMiniType>(
  field: Field,
  description: string,
  ...examples: z.input<Field>[]
): Field {
  return field.check(z.meta(examples.length > 0 ? { description, examples } : { description }))
}

/** An object with these fields only. An unknown field is refused: most are misspelt. */
export function fields<const Shape extends z.core.$ZodShape>(shape: Shape, wanted?: string) {
  const names = Object.keys(shape).join(', ')
  const wrong = giveUnseen(wanted ?? `an object with ${names}`)
  return z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys' ? `is an unknown field; the fields here are ${names}` : wrong.error(issue),
  })
}

/** A service name or id. It becomes part of check ids, file names and, where it can, DNS names. */
export function serviceName() {
  const wanted = give('1 to 64 of A-Z a-z 0-9 _ . - that begin with a letter or a digit')
  return z.string(wanted).check(z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, wanted))
}

/** A duration of at least `shortestMs`, in the words of lib/base/clock.ts. */
export function durationText(shortestMs: number, wanted = 'a duration such as "500ms", "3s" or "1.5m"') {
  return z.string(give(wanted)).check(
    z.regex(/^\d+(\.\d+)?(ms|s|m|h)$/, { ...give(wanted), abort: true }),
    z.refine(text => (duration(text) ?? -1) >= shortestMs, give(wanted)),
  )
}

/** Text that the kernel can pass to a process unchanged. */
export function passableText() {
  return z.string(giveUnseen('a string')).check(
    z.refine(text => text.isWellFormed() && !text.includes('\0'), {
      error: 'holds a NUL character or broken Unicode; remove it',
    }),
  )
}

/** A program and its arguments, never a shell line. */
export function command() {
  return commandShape().check(z.superRefine((args, found) => refuseInCode(args, found)))
}

const commandWanted = 'an array of strings: the program, then its arguments'

/** One command; or several by name, of which each partition's document chooses one. */
export function commandOrChoice() {
  const name = give('a name that is not empty')
  const some = giveUnseen('an object: a command for each name')
  const choice = fields({
    choose: about(pointer(), 'A JSON pointer to the name in the document of the partition.', '/role'),
    of: about(
      z
        .record(passableText().check(z.minLength(1, name)), command(), some)
        .check(z.refine(of => Object.keys(of).length > 0, { error: 'is empty; give a command for each name' })),
      'The commands by name.',
      { web: ['./web'], worker: ['./work', '{partition}'] },
    ),
  })
  return z.union(
    [command(), choice],
    giveUnseen(`${commandWanted}; or {"choose": "/role", "of": {"name": ["program"]}}`),
  )
}

/** A JSON pointer (RFC 6901). */
export function pointer() {
  const wanted = give('a JSON pointer: empty, or names that each begin with "/"')
  return z.string(wanted).check(z.regex(/^(\/([^~/]|~[01])*)*$/, wanted))
}

/** A command without `refuseInCode`, for use in a union, which would hide its message; call that afterwards. */
export function commandShape() {
  const wanted = giveUnseen(commandWanted)
  return z.array(passableText(), wanted).check(
    z.minLength(1, wanted),
    z.superRefine((args, found) => {
      if (args[0] === '') found.addIssue({ code: 'custom', path: [0], message: 'is empty; give the program' })
    }),
  )
}

type Found = { addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string }): void }

export function refuseInCode(args: readonly string[], found: Found, ...path: PropertyKey[]): void {
  const inCode = placeholderInCode(args)
  if (inCode === null) return
  const { index, placeholder, by } = inCode
  const name = `WATCHBILL_${placeholder.toUpperCase()}`
  const message = `has {${placeholder}} in the code that ${by} executes; use the variable "$${name}" there`
  found.addIssue({ code: 'custom', path: [...path, index], message })
}

/** Environment variables. Only names that a shell passes on, because the shepherd of a process is a shell. */
export function environment() {
  const names = 'letters, digits and _, the first not a digit; WATCHBILL_ names are set by watchbill'
  const wanted = giveUnseen('an object of strings')
  return z.record(z.string().check(z.regex(/^(?!WATCHBILL_)[A-Za-z_][A-Za-z0-9_]*$/)), passableText(), {
    error: issue =>
      issue.code === 'invalid_key' ? `is not a valid variable name here; use ${names}` : wanted.error(issue),
  })
}

/** What an instance offers: the names that Consul takes for `node_meta`, at most 4 KiB as JSON. */
export function meta() {
  const value = give('a text of at most 512 characters, a number, true or false')
  const wanted = giveUnseen('an object of texts, numbers, true and false')
  const text = z.string(value).check(z.maxLength(512, value), z.regex(/^\P{Cc}*$/u, value))
  return z
    .record(
      z.string().check(z.regex(/^[A-Za-z0-9_-]{1,128}$/)),
      z.union([text, z.number(value), z.boolean(value)], value),
      {
        error: issue =>
          issue.code === 'invalid_key'
            ? 'is no name for this; use 1 to 128 letters, digits, _ and -'
            : wanted.error(issue),
      },
    )
    .check(
      z.refine(of => Buffer.byteLength(JSON.stringify(of)) <= mostMeta, {
        error: `takes more than ${mostMeta} bytes as JSON; make it smaller`,
      }),
    )
}

/** The most bytes of `meta` as JSON. */
const mostMeta = 4096

/** The name of an environment variable. */
export function variableName() {
  const wanted = give('the name of a variable')
  return z.string(wanted).check(z.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, wanted))
}

/** The first and the last of consecutive numbers, used as partition ids. */
export function idRange() {
  const wanted = give('a whole number of at least 0')
  const end = () => z.int(wanted).check(z.gte(0, wanted))
  const pair = giveUnseen('two numbers: the first and the last one, such as [0, 15]')
  return z.tuple([end(), end()], pair).check(
    z.refine(([first, last]) => first <= last, {
      error: 'runs backwards; give the smaller number first',
      abort: true,
    }),
    z.refine(([first, last]) => last - first < mostIds, { error: `is too long; give at most ${mostIds} partitions` }),
  )
}

/** A list of partition ids. */
export function idList() {
  const wanted = giveUnseen('an array of at least one partition id')
  return z.array(z.string(give('a string')), wanted).check(
    z.meta({ uniqueItems: true }),
    z.minLength(1, wanted),
    z.maxLength(mostIds, { error: `is too long; give at most ${mostIds} partitions` }),
    z.superRefine((ids, found) => {
      const seen = new Set<string>()
      for (const [index, id] of ids.entries()) {
        const message = seen.has(id) ? `${shown(id)} is there twice; keep one` : idProblem(id)
        if (message !== null) found.addIssue({ code: 'custom', path: [index], message })
        seen.add(id)
      }
    }),
  )
}

function isEncodable(id: string): boolean {
  // An encoded id is never shorter than the id. Encoding an id of megabytes would take seconds.
  if (id.length > 200) return false
  try {
    return encode(id) !== ''
  } catch {
    return false
  }
}

function idProblem(id: string): string | null {
  if (isEncodable(id)) return null
  return `cannot be ${shown(id)}; give 1 to 200 bytes, percent-encoded as in its key, without control characters`
}
