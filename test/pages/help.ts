/** Whether a command line is one that a program takes, by what its own --help says. Pure. */
export interface Help {
  /** By name, `--wait` or `-h`: whether a value follows. */
  readonly options: ReadonlyMap<string, boolean>
  readonly required: number
  readonly most: number
}

/** @param text what one of our programs prints for --help */
export function helpFrom(text: string): Help {
  const [, usage = ''] = /^USAGE \S+ \S+(.*)$/m.exec(text) ?? []
  const options = new Map<string, boolean>()
  // A description may name an option, too, and never with its value.
  for (const [, name = '', value] of text.matchAll(/(?<=\s)(--?[a-z][a-z-]*)(=<)?/g))
    options.set(name, options.get(name) === true || value !== undefined)
  const required = usage.match(/<[A-Z]+>/g)?.length ?? 0
  const optional = usage.match(/\[(?!OPTIONS)[A-Z]+\]/g)?.length ?? 0
  return {
    options,
    required,
    most: /\[REST\]/.test(usage) ? Number.POSITIVE_INFINITY : required + optional,
  }
}

/** What is wrong with these words; null when nothing is. @param whole false where the page names only a part of them */
export function faultIn(words: readonly string[], { options, required, most }: Help, whole: boolean): string | null {
  let positionals = 0
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word === '--') break
    if (!word.startsWith('-') || word === '-') {
      positionals += word === '…' ? 0 : 1
      continue
    }
    const [name = '', value] = word.split('=', 2)
    const takesValue = options.get(name)
    if (takesValue === undefined) return `there is no option ${name}`
    if (takesValue && value === undefined) at++
  }
  if (positionals > most) return `${positionals} words are more than ${most}`
  if (whole && positionals < required) return `${positionals} words are fewer than ${required}`
  return null
}
