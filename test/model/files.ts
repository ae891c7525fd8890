/** The files of a virtual machine, with Linux's errors. */

export interface File {
  text: string
  readonly ino: number
  /** ms */
  changed: number
}

type Directory = Map<string, File | Directory>

export function failure(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}

export class Files {
  readonly #root: Directory = new Map()
  readonly #clock: () => number
  #ino = 0

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Null when there is no such file. @throws ENOTDIR */
  at(path: string): File | Directory | null {
    let found: File | Directory | undefined = this.#root
    for (const name of names(path)) {
      if (!(found instanceof Map)) throw failure('ENOTDIR', path)
      found = found.get(name)
      if (found === undefined) return null
    }
    return found
  }

  exists(path: string): boolean {
    try {
      return this.at(path) !== null
    } catch {
      return false
    }
  }

  file(path: string): File {
    const found = this.at(path)
    if (found === null) throw failure('ENOENT', path)
    if (found instanceof Map) throw failure('EISDIR', path)
    return found
  }

  list(path: string): string[] {
    return [...this.#directory(path).keys()].sort()
  }

  write(path: string, text: string): void {
    const [parent, name] = this.#parent(path)
    const before = parent.get(name)
    if (before instanceof Map) throw failure('EISDIR', path)
    if (before) Object.assign(before, { text, changed: this.#clock() })
    else parent.set(name, { text, ino: ++this.#ino, changed: this.#clock() })
  }

  append(path: string, text: string): void {
    this.write(path, (this.exists(path) ? this.file(path).text : '') + text)
  }

  make(path: string, recursive: boolean): void {
    if (this.at(path) === null) {
      const above = path.slice(0, path.lastIndexOf('/'))
      if (recursive && above !== '') this.make(above, true)
      const [parent, name] = this.#parent(path)
      parent.set(name, new Map())
    } else if (!recursive) throw failure('EEXIST', path)
  }

  rename(from: string, to: string): void {
    const moved = this.at(from)
    if (moved === null) throw failure('ENOENT', from)
    const there = this.at(to)
    if (there instanceof Map && there.size > 0) throw failure('ENOTEMPTY', to)
    const [source, old] = this.#parent(from)
    const [target, name] = this.#parent(to)
    source.delete(old)
    target.set(name, moved)
  }

  /** @param recursive also removes everything below it */
  remove(path: string, recursive: boolean): void {
    const found = this.at(path)
    if (found === null) throw failure('ENOENT', path)
    if (found instanceof Map && found.size > 0 && !recursive) throw failure('ENOTEMPTY', path)
    const [parent, name] = this.#parent(path)
    parent.delete(name)
  }

  #directory(path: string): Directory {
    const found = this.at(path)
    if (found === null) throw failure('ENOENT', path)
    if (!(found instanceof Map)) throw failure('ENOTDIR', path)
    return found
  }

  #parent(path: string): [Directory, string] {
    const all = names(path)
    return [this.#directory(`/${all.slice(0, -1).join('/')}`), all.at(-1) as string]
  }
}

function names(path: string): string[] {
  return path.split('/').filter(Boolean)
}
