/** Man pages from what the programs say of themselves. Pure: roff text, in the macros of man(7). */
import type { Description, Option } from '../../program/help.ts'

/** @param date such as 2026-01-31 */
export interface Edition {
  readonly version: string
  readonly date: string
}

/** watchbill-<program>(1) */
export function manOf({ name, about, usage, words, options, exits }: Description, edition: Edition): string {
  const page = `watchbill-${name}`
  const arguments_ = words.map(word => tagged(`\\fI${escaped(word.name)}\\fR`, word.about))
  return [
    ...heading(page, edition),
    '.SH NAME',
    // man -k reads one line, without the full stop.
    `${escaped(page)} \\- ${escaped(about.replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    `\\fBwatchbill ${escaped(name)}\\fR ${escaped(usage)}`,
    '.SH DESCRIPTION',
    text(about),
    ...(words.length > 0 ? ['.SH ARGUMENTS', ...arguments_] : []),
    '.SH OPTIONS',
    ...options.map(option => tagged(spelled(option), option.about)),
    '.SH EXIT STATUS',
    ...exits.map(exitOf),
    ...seeAlso(['watchbill(1)']),
  ].join('\n')
}

/** watchbill(1) @param first what to do first @param programs name and what it does */
export function overview(
  first: readonly (readonly [string, string])[],
  programs: ReadonlyMap<string, string>,
  environment: readonly (readonly [string, string])[],
  edition: Edition,
): string {
  return [
    ...heading('watchbill', edition),
    '.SH NAME',
    'watchbill \\- every partition of a service on exactly one machine, kept by Consul',
    '.SH SYNOPSIS',
    '\\fBwatchbill\\fR \\fIprogram\\fR [arguments]',
    '.SH DESCRIPTION',
    text(
      'watchbill is a set of small programs. Consul’s agent runs some of them, people the others. What to do first:',
    ),
    ...first.map(([command, what]) => tagged(`\\fB${escaped(command)}\\fR`, what)),
    '.SH PROGRAMS',
    ...[...programs].map(([name, about]) => tagged(`\\fBwatchbill\\-${escaped(name)}\\fR(1)`, about)),
    '.SH ENVIRONMENT',
    ...environment.map(([name, what]) => tagged(`\\fB${escaped(name)}\\fR`, what)),
    ...seeAlso(['consul(1)']),
  ].join('\n')
}

function heading(page: string, { version, date }: Edition): string[] {
  return [`.TH ${escaped(page.toUpperCase())} 1 ${date} "watchbill ${escaped(version)}" "watchbill"`]
}

function seeAlso(pages: readonly string[]): string[] {
  const docs = 'The pages in /usr/share/doc/watchbill/docs, or docs/ of the package.'
  return [
    '.SH SEE ALSO',
    ...pages.map(page => `\\fB${escaped(page.replace(/\(1\)$/, ''))}\\fR(1)`),
    '.PP',
    text(docs),
    '',
  ]
}

/** "100 permanent (usage, definition)" */
function exitOf(line: string): string {
  const [, codes = '', what = ''] = /^([\d, ]+|\S+)(?:\s+(.*))?$/.exec(line) ?? []
  return tagged(`\\fB${escaped(codes.trim())}\\fR`, what || 'done')
}

function spelled({ names, value }: Option): string {
  const all = names.map(name => `\\fB${escaped(name)}\\fR`).join(', ')
  return value === null ? all : `${all}=\\fI${escaped(value)}\\fR`
}

function tagged(tag: string, what: string): string {
  return `.TP\n${tag}\n${text(what) || '\\&'}`
}

/** A line that begins with a dot or an apostrophe would be a request. */
function text(words: string): string {
  return escaped(words).replace(/^(?=[.'])/gm, '\\&')
}

/** Characters that roff reads, and those that a terminal of another character set lacks. */
function escaped(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('’', '\\(cq')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('"', '\\(dq')
    .replace(/\s+/g, ' ')
    .replace(
      /[\u0080-\u{10ffff}]/gu,
      letter => `\\[u${(letter.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
}
