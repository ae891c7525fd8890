/** HTML from a template. Every value that is not HTML itself is made printable and escaped: there is no way round it. */
import { printableLines } from '../base/printable.ts'

/** Text that is HTML already. Only `html` makes one. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** What a template takes: null and false leave nothing. */
export type Part = Html | string | number | boolean | null | undefined | readonly Part[]

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escaped(text: string): string {
  return printableLines(text).replace(/[&<>"']/g, character => entities[character] as string)
}

export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let text = strings[0] as string
  parts.forEach((part, place) => {
    text += textOf(part) + strings[place + 1]
  })
  return new Html(text)
}

function textOf(part: Part): string {
  if (part instanceof Html) return part.text
  if (Array.isArray(part)) return part.map(textOf).join('')
  if (part === null || part === undefined || part === false || part === true) return ''
  return escaped(String(part))
}

/** A link within the page. Values only ever become parts of a query, so that none can be a scheme or a host. */
export function link(path: `/${string}`, query: Readonly<Record<string, string | number | undefined>> = {}): string {
  const words = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : `${name}=${encodeURIComponent(String(value).toWellFormed())}`,
  )
  return words.length === 0 ? path : `${path}?${words.join('&')}`
}
