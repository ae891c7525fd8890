/** The results of a large transaction, read while they come: as text, as JSON and as entries at once they are many times as large. */
import { type Entry, entryOf, type RawEntry } from './entry.ts'

const head = '{"Results":['
/** What stands between two results, and nowhere inside of a string: there, its quotes would be escaped. */
const between = '}},{"KV":{"'

export class Results {
  readonly entries: Entry[] = []
  /** What is no answer of this shape is left as it is, for whoever reads the whole to refuse. */
  #isStrange = false
  readonly #piece: number

  /** @param piece so many characters are parsed at a time */
  constructor(piece = 1 << 20) {
    this.#piece = piece
  }

  /** @returns what of the text is not read yet, as an answer of its own */
  read(text: string): string {
    if (text.length < this.#piece || this.#isStrange) return text
    const cut = text.lastIndexOf(between)
    if (cut < 0) return text
    try {
      const { Results } = JSON.parse(`${text.slice(0, cut + 2)}]}`) as { Results: { KV: RawEntry }[] }
      if (!text.startsWith(head)) throw new Error('it does not begin with them')
      const entries = Results.map(({ KV }) => entryOf(KV))
      for (const entry of entries) this.entries.push(entry)
      return head + text.slice(cut + 3)
    } catch {
      this.#isStrange = true
      return text
    }
  }
}
