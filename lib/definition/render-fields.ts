/** The fields of a definition file about rendered files. */
import { posix } from 'node:path'
import * as z from 'zod/mini'
import { about, command, fields, give, giveUnseen, passableText } from './fields.ts'

const templateWanted = giveUnseen('an absolute path')
const destWanted = giveUnseen('an absolute path without ".." or empty parts in it')
const modeWanted = give('permissions in octal, such as "0644" or "0600"')
const ownerWanted = give('a user, or a user and a group: "www-data" or "root:adm"')
const backupsWanted = give('a whole number from 0 to 100')
const cleanWanted = giveUnseen('an absolute path with a "*" in its last part, such as "/etc/app/*.conf"')
const variablesWanted = giveUnseen('an object of texts, numbers, true and false')
const variableWanted = give('a text, a number, true or false')

/** The words in braces that have a meaning in `check` and `command`. */
const inCommand = ['service', 'node', 'instance', 'version']

function isPath(text: string): boolean {
  return text.startsWith('/') && text !== '/' && posix.normalize(text) === text && !text.endsWith('/')
}

function wordsIn(text: string): string[] {
  return Array.from(text.matchAll(/\{(\w+)\}/g), ([, word = '']) => word)
}

/** A partition stands only in the last part of the path: the directory is there before. A version may have its own. */
function destFault(dest: string, each: 'partition' | undefined): string | null {
  const foreign = wordsIn(dest).find(word => word !== 'partition' && word !== 'version')
  if (foreign !== undefined) return `holds {${foreign}}; only {partition} and {version} are replaced here`
  const isOne = wordsIn(dest).includes('partition')
  if (isOne && wordsIn(posix.dirname(dest)).includes('partition'))
    return 'holds {partition} in a directory; write it into the name'
  if (isOne && each === undefined)
    return 'holds {partition}, but it is one file; give "each": "partition", or remove it'
  if (!isOne && each !== undefined) return 'is one file for all partitions; write {partition} into its name'
  return null
}

const file = fields({
  template: about(
    passableText().check(z.refine(isPath, templateWanted)),
    'The template: a file in Liquid. {version} in its path is replaced.',
    '/etc/watchbill/upstreams.liquid',
  ),
  dest: about(
    passableText().check(z.refine(isPath, destWanted)),
    'The file to write. With "each": "partition" its name holds {partition}. {version} is replaced, also in its directory.',
    '/etc/nginx/conf.d/upstreams.conf',
  ),
  each: z.optional(
    about(
      z.enum(['partition'], give('"partition"')),
      '"partition": one file for each partition of the set.',
      'partition',
    ),
  ),
  mode: about(
    z._default(z.string(modeWanted).check(z.regex(/^0?[0-7]{3}$/, modeWanted)), '0644'),
    'The permissions of the file, in octal.',
    '0600',
  ),
  owner: z.optional(
    about(
      z.string(ownerWanted).check(z.regex(/^[A-Za-z0-9_][\w.-]*(:[A-Za-z0-9_][\w.-]*)?$/, ownerWanted)),
      'Who owns the file, as chown takes it; whoever runs the agent when left out.',
      'root:adm',
    ),
  ),
  check: z.optional(
    about(
      command(),
      'Run on the new file before it takes the place of the old one: {file} is its path. Only exit 0 lets it.',
      ['nginx', '-t', '-c', '{file}'],
    ),
  ),
  command: z.optional(
    about(command(), 'Run once after the files have changed, and again until it has worked.', [
      'systemctl',
      'reload',
      'nginx',
    ]),
  ),
  backups: about(
    z._default(z.int(backupsWanted).check(z.gte(0, backupsWanted), z.lte(100, backupsWanted)), 0),
    'How many earlier versions of the file to keep beside it.',
    3,
  ),
  clean: z.optional(
    about(
      passableText().check(z.refine(isPattern, cleanWanted)),
      'Files that watchbill has written, that match this and are no longer wanted, are removed.',
      '/etc/app/*.conf',
    ),
  ),
  follow: z.optional(
    about(z.literal(true, give('true')), 'Whether a symbolic link at "dest" is followed; refused when left out.', true),
  ),
  order: z.optional(
    about(
      z.enum(['beforeStart', 'afterStop'], give('"beforeStart" or "afterStop"')),
      '"beforeStart": a process of this instance starts once the file shows its partition. "afterStop": the file shows ' +
        'a partition of this instance until its process is gone.',
      'beforeStart',
    ),
  ),
}).check(
  z.superRefine(({ dest, each, check, command, clean }, found) => {
    const add = (field: string, message: string | null, ...more: number[]) =>
      message === null ? undefined : found.addIssue({ code: 'custom', path: [field, ...more], message })
    add('dest', destFault(dest, each))
    if (clean?.includes('{version}')) add('clean', 'holds {version}; write * where any version may stand')
    if (check !== undefined && !check.some(argument => argument.includes('{file}')))
      add('check', 'does not name the new file; write {file} where its path belongs')
    for (const [at, argument] of (command ?? []).entries()) add('command', commandFault(argument), at)
  }),
)

function isPattern(text: string): boolean {
  return isPath(text) && posix.basename(text).includes('*') && !posix.dirname(text).includes('*')
}

/** One run stands for all files that changed. */
function commandFault(argument: string): string | null {
  const word = wordsIn(argument).find(one => one === 'file' || one === 'partition' || one === 'token')
  return word === undefined
    ? null
    : `has {${word}}, but runs once for all files; only ${inCommand.map(one => `{${one}}`).join(', ')} are replaced`
}

/** The files that a definition renders. */
export function renders() {
  return z.array(file, giveUnseen('an array of files')).check(
    z.minLength(1, { error: 'is empty; remove it, or give a file' }),
    z.superRefine((all, found) => {
      const seen = new Set<string>()
      const templates = new Set(all.map(({ template }) => template))
      for (const [index, { dest }] of all.entries()) {
        if (templates.has(dest))
          found.addIssue({ code: 'custom', path: [index, 'dest'], message: 'is a template; give another file' })
        if (seen.has(dest))
          found.addIssue({ code: 'custom', path: [index, 'dest'], message: 'is there twice; keep one' })
        seen.add(dest)
      }
    }),
  )
}

/** What templates find as `variables`. */
export function templateVariables() {
  const text = passableText()
  return z.record(
    z.string().check(z.regex(/^[A-Za-z_][A-Za-z0-9_]*$/)),
    z.union([text, z.number(variableWanted), z.boolean(variableWanted)], variableWanted),
    {
      error: issue =>
        issue.code === 'invalid_key'
          ? 'is no name for a variable; use letters, digits and _, the first not a digit'
          : variablesWanted.error(issue),
    },
  )
}
