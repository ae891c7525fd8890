/**
 * Turns a template into text, with liquidjs. Only the program `template` loads this file, in a process of its own that has a
 * time limit: a template may come from anybody who may write below /etc, and what it is given from anybody who may write to Consul.
 */
import { Liquid } from 'liquidjs'
import { reason } from '../base/errors.ts'
import type { Input } from './input.ts'
import { inMiB, mostText } from './limits.ts'

export interface Job {
  readonly template: string
  readonly input: Input
  /** One text for each partition of the input, in its order. */
  readonly each: boolean
  /** Texts for these partitions only; left out for all. */
  readonly only?: readonly string[]
}

export type Turned = { readonly text: string } | { readonly error: string }

/** The time for one text, ms. Where liquidjs does not look at the clock, the limit of the whole process counts. */
const renderLimit = 3000
/** Elements of arrays and characters of strings that filters and ranges make for one text. */
const memoryLimit = 20_000_000

/** The texts; a single error when the template cannot even be read. */
export function turn({ template, input, each, only }: Job): Turned[] {
  const engine = engineFor()
  try {
    const parsed = engine.parse(template)
    const one = (more: object): Turned => {
      try {
        return checked(String(engine.renderSync(parsed, { ...input, ...more })))
      } catch (error) {
        return { error: reason(error) }
      }
    }
    if (!each) return [one({})]
    const wanted = new Set(only ?? input.partitions.map(({ id }) => id))
    return input.partitions.filter(({ id }) => wanted.has(id)).map(partition => one({ partition }))
  } catch (error) {
    return [{ error: reason(error) }]
  }
}

function checked(text: string): Turned {
  const size = Buffer.byteLength(text)
  return size > mostText ? { error: `it makes ${inMiB(size)}; at most ${inMiB(mostText)} are written` } : { text }
}

function engineFor(): Liquid {
  const engine = new Liquid({
    // A misspelt name must not become an empty line in a file that a proxy reads.
    strictFilters: true,
    strictVariables: true,
    lenientIf: true,
    ownPropertyOnly: true,
    dynamicPartials: false,
    templates: {},
    renderLimit,
    memoryLimit,
  })
  for (const name of ['include', 'render', 'layout', 'block']) engine.registerTag(name, refusedTag(name))
  engine.registerFilter('word', word)
  engine.registerFilter('host', (value: unknown) => (/:/.test(word(value)) ? `[${word(value)}]` : word(value)))
  return engine
}

/** A tag that reads another file. */
function refusedTag(name: string): Parameters<Liquid['registerTag']>[1] {
  return {
    parse() {
      throw new Error(`{% ${name} %} reads another file, which a template may not`)
    },
    render() {},
  }
}

/** A value that is one word in every kind of file. Whoever may write to Consul chooses ids, and parts of names and documents. */
function word(value: unknown): string {
  const text = String(value ?? '')
  if (/^[\p{L}\p{N}_][\p{L}\p{N}_.:-]*$/u.test(text)) return text
  throw new Error(`${JSON.stringify(text.slice(0, 60))} is not a word of letters, digits and _ . : -`)
}
