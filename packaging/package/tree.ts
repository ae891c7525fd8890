/** What is in a package: files, directories and links with their modes, by path without a leading slash. */

export interface File {
  readonly mode: number
  readonly content: Buffer
}

export interface Link {
  readonly target: string
}

export type Entry = File | Link | 'directory'

export type Tree = ReadonlyMap<string, Entry>

export function file(content: string | Buffer, mode = 0o644): File {
  return { mode, content: Buffer.from(content) }
}

/** The tree with every directory above its entries, sorted by path: each directory comes before what is in it. */
export function whole(tree: Tree): Tree {
  const all = new Map(tree)
  for (const path of tree.keys()) {
    const parts = path.split('/')
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/')
      if (!all.has(parent)) all.set(parent, 'directory')
    }
  }
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The tree below another directory. */
export function below(directory: string, tree: Tree): Tree {
  return new Map([...tree].map(([path, entry]) => [`${directory}/${path}`, entry]))
}
