/** The programs that a page shows, as they are printed there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The blocks of one language, in the order of the page, below a heading if one is named. */
export function blocks(page: string, language: string, heading = ''): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../', page), 'utf8')
  const from = heading === '' ? 0 : text.indexOf(`\n${heading}\n`)
  if (from < 0) throw new Error(`${page} has no heading ${heading}`)
  const fenced = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')
  return [...text.slice(from).matchAll(fenced)].map(([, block = '']) => block)
}

/** The first of them. */
export function block(page: string, language: string, heading = ''): string {
  const [first] = blocks(page, language, heading)
  if (first === undefined) throw new Error(`${page} shows no ${language} ${heading && `below ${heading}`}`)
  return first
}
