/** Reads the results of a large transaction while they arrive. As text, JSON and entries at once they would need several times the memory. */
import { type Entry, entryOf, type RawEntry } from './entry.ts'

const head = '{"Results":['
/** The text between two results. It cannot occur inside a JSON string, where its quotes would be escaped. */
const between = '}},{"KV":{"'

export class Results {
  readonly entries: Entry[] = []
  /** The answer has another shape: it is left whole, and the caller refuses it. */
  #isStrange = false
  readonly #piece: number

  /** @param piece how many characters are parsed at a time, at least */
  constructor(piece = 1 << 20) {
    this.#piece = piece
  }

  /** @returns the part of the text that is not read yet, as a complete answer by itself */
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
