/**
 * Regular expressions without backtracking. A pattern is compiled into an automaton whose states are all followed at once, so
 * that a text of n characters costs at most n × `mostStates` steps, whatever the pattern. What would need backtracking
 * (look-around, back-references) is not part of the syntax.
 */

/** The longest pattern, in characters. */
export const longestPattern = 200
/** Repetitions such as {2,50} are copied, so they are limited too. */
const mostStates = 2000

type Test = (character: string) => boolean

/** One state: it takes a character (`test`), or goes on at once (`to`). */
interface State {
  readonly test: Test | null
  to: State[]
}

/** Why a text is no pattern. */
export class PatternError extends Error {}

/** @returns a test whether a whole text fits the pattern @throws PatternError */
export function pattern(source: string): (text: string) => boolean {
  const { start, end } = new Compiler(source).compile()
  return text => {
    let now = reached([start])
    for (const character of text) {
      now = reached([...now].flatMap(({ test, to }) => (test?.(character) ? to : [])))
      if (now.size === 0) return false
    }
    return now.has(end)
  }
}

/** The states that are reached without a character. */
function reached(from: readonly State[]): Set<State> {
  const found = new Set(from)
  for (const state of found) if (state.test === null) for (const next of state.to) found.add(next)
  return found
}

/** A part of the automaton, with its first and its last state. */
interface Part {
  readonly start: State
  readonly end: State
}

const digits: Test = character => character >= '0' && character <= '9'
const words: Test = character => /^[A-Za-z0-9_]$/.test(character)
const classes: Readonly<Record<string, Test>> = {
  d: digits,
  w: words,
  D: character => !digits(character),
  W: character => !words(character),
}
const punctuation = /^[^A-Za-z0-9\s]$/

class Compiler {
  readonly #source: readonly string[]
  #at = 0
  #states = 0

  constructor(source: string) {
    if (source.length > longestPattern) throw new PatternError(`is longer than ${longestPattern} characters`)
    this.#source = [...source]
  }

  compile(): Part {
    if (this.#peek() !== '^' || this.#source.at(-1) !== '$')
      throw new PatternError('has to begin with ^ and to end with $, so that the whole version counts')
    this.#at = 1
    const whole = this.#alternatives(0)
    if (this.#next() !== '$' || this.#at < this.#source.length)
      throw new PatternError('has a ) without its (, or a $ before its end')
    return whole
  }

  #peek(): string | undefined {
    return this.#source[this.#at]
  }

  #next(): string | undefined {
    return this.#source[this.#at++]
  }

  #state(test: Test | null = null, ...to: State[]): State {
    if (++this.#states > mostStates) throw new PatternError('repeats too much; make it simpler')
    return { test, to }
  }

  #alternatives(depth: number): Part {
    if (depth > 20) throw new PatternError('is nested too deeply')
    const parts = [this.#sequence(depth)]
    while (this.#peek() === '|') {
      this.#at++
      parts.push(this.#sequence(depth))
    }
    const [only] = parts
    if (parts.length === 1 && only !== undefined) return only
    const end = this.#state()
    for (const part of parts) part.end.to.push(end)
    return { start: this.#state(null, ...parts.map(({ start }) => start)), end }
  }

  #sequence(depth: number): Part {
    const start = this.#state()
    let end = start
    for (let next = this.#peek(); next !== undefined && !'|)$'.includes(next); next = this.#peek()) {
      const part = this.#repeated(depth)
      end.to.push(part.start)
      end = part.end
    }
    return { start, end }
  }

  /** One item with its quantifier. The item is read again for each copy. */
  #repeated(depth: number): Part {
    const from = this.#at
    const first = this.#item(depth)
    const [least, most] = this.#quantifier()
    const after = this.#at
    if (least === 1 && most === 1) return first
    const copy = () => {
      this.#at = from
      return this.#item(depth)
    }
    const start = this.#state()
    const end = this.#state()
    let last = start
    for (let times = 0; times < (most ?? Math.max(least, 1)); times++) {
      const part = times === 0 ? first : copy()
      last.to.push(part.start)
      if (times >= least) last.to.push(end)
      if (most === null && times === Math.max(least, 1) - 1) part.end.to.push(part.start)
      last = part.end
    }
    last.to.push(end)
    this.#at = after
    return { start, end }
  }

  /** How often at least and at most; null for any number. */
  #quantifier(): readonly [number, number | null] {
    const simple = { '?': [0, 1], '*': [0, null], '+': [1, null] } as const
    const next = this.#peek()
    if (next === '?' || next === '*' || next === '+') {
      this.#at++
      this.#mustNotRepeat()
      return simple[next]
    }
    if (next !== '{') return [1, 1]
    const [whole, least = '', comma, most = ''] =
      /^\{(\d{1,4})(,?)(\d{0,4})\}/.exec(this.#source.slice(this.#at).join('')) ?? []
    if (whole === undefined) throw new PatternError('has a { that is no repetition such as {2,5}; write \\{')
    this.#at += whole.length
    this.#mustNotRepeat()
    const upper = comma === '' ? Number(least) : most === '' ? null : Number(most)
    if (upper !== null && upper < Number(least)) throw new PatternError(`has ${whole}, which runs backwards`)
    return [Number(least), upper]
  }

  #mustNotRepeat(): void {
    if ('?*+{'.includes(this.#peek() ?? ' ')) throw new PatternError('has two repetitions in a row')
  }

  #item(depth: number): Part {
    const next = this.#next()
    if (next === '(') return this.#group(depth)
    if (next === '[') return this.#one(this.#class())
    if (next === '\\') return this.#one(this.#escaped())
    if (next === '.') return this.#one(() => true)
    if (next === undefined || '^*+?{}]'.includes(next))
      throw new PatternError(`has ${next ?? 'an end'} where it means nothing; write \\${next ?? ''}`)
    return this.#one(character => character === next)
  }

  #one(test: Test): Part {
    const end = this.#state()
    return { start: this.#state(test, end), end }
  }

  #group(depth: number): Part {
    if (this.#peek() === '?') {
      this.#at++
      if (this.#next() !== ':') throw new PatternError('has (?, and only (?: is known here')
    }
    const part = this.#alternatives(depth + 1)
    if (this.#next() !== ')') throw new PatternError('has a ( without its )')
    return part
  }

  #escaped(): Test {
    const next = this.#next() ?? ''
    const known = classes[next]
    if (known) return known
    if (!punctuation.test(next)) throw new PatternError(`has \\${next}, which is not known here; \\d and \\w are`)
    return character => character === next
  }

  #class(): Test {
    const isNegated = this.#peek() === '^'
    if (isNegated) this.#at++
    const tests: Test[] = []
    for (let next = this.#next(); next !== ']'; next = this.#next()) {
      if (next === undefined) throw new PatternError('has a [ without its ]')
      if (next === '\\') tests.push(this.#escaped())
      else if (this.#peek() === '-' && this.#source[this.#at + 1] !== ']') tests.push(this.#range(next))
      else tests.push(character => character === next)
    }
    if (tests.length === 0) throw new PatternError('has an empty [ ]')
    return character => tests.some(test => test(character)) !== isNegated
  }

  #range(first: string): Test {
    this.#at++
    const last = this.#next() ?? ''
    if (last === '\\' || last < first) throw new PatternError(`has the range ${first}-${last}, which is none`)
    return character => character >= first && character <= last
  }
}
