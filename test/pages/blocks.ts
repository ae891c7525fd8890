/** What a page shows to be run: its fenced blocks, and the commands in them and in its text. Pure. */

export interface Block {
  readonly language: string
  readonly text: string
  /** Of its first line, for messages. */
  readonly line: number
}

export function blocksIn(page: string): Block[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)\n```$/gm)].map(({ 1: language = '', 2: text = '', index }) => ({
    language,
    text,
    line: page.slice(0, index).split('\n').length + 1,
  }))
}

/** JSON of what may hold comments. */
export function withoutComments(text: string): string {
  return text.replace(/("(?:[^"\\]|\\.)*")|\/\/.*$/gm, (_, string: string | undefined) => string ?? '')
}

/** The commands of a piece of shell, each as its words; what stands between pipes is a command of its own. */
export function commandsIn(shell: string): string[][] {
  const lines = shell.replace(/\\\n/g, ' ').split('\n')
  return lines
    .flatMap(wordsOf)
    .map(withoutPrefix)
    .filter(words => words.length > 0)
}

const token = /\s*(?:(#.*)|(&&|\|\||[;|])|((?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\;|&#]|(?<=\S)#|&(?!&))+)|(\S))/y

/** The commands of one line. */
function wordsOf(line: string): string[][] {
  const commands: string[][] = [[]]
  token.lastIndex = 0
  for (let match = token.exec(line); match !== null; match = token.exec(line)) {
    const [, comment, separator, word] = match
    if (comment !== undefined) break
    if (separator !== undefined) commands.push([])
    else if (word !== undefined) commands.at(-1)?.push(unquoted(word))
  }
  return commands
}

function unquoted(word: string): string {
  return word.replace(
    /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g,
    (_, single, double, escaped) => single ?? double ?? escaped,
  )
}

function withoutPrefix(words: string[]): string[] {
  const at = words.findIndex(word => word !== 'sudo' && !/^[A-Z_]+=/.test(word))
  return at < 0 ? [] : words.slice(at)
}

/** Where the links of its text lead. */
export function linksIn(page: string): string[] {
  return [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
}

/** What a link may name behind its `#`: the headings as GitHub makes anchors of them, the same heading again with a number. */
export function anchorsIn(page: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, title = ''] of proseOf(page).matchAll(/^#+ (.*)$/gm)) {
    const slug = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-')
    let anchor = slug
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`
    anchors.add(anchor)
  }
  return anchors
}

/** Without its blocks. */
function proseOf(page: string): string {
  return page.replace(/^ *```[\s\S]*?^ *```$/gm, '')
}

/** What is a command in the text of a page. */
export function spansIn(page: string): string[] {
  const text = proseOf(page)
  return [...text.matchAll(/`((?:sudo )?(?:watchbill|node|npm) [^`]+)`/g)].map(([, span = '']) =>
    span.replace(/\s+/g, ' '),
  )
}
