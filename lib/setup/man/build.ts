/** `npm run man`: writes the man pages to dist/man/. Their date is that of SOURCE_DATE_EPOCH, or else of the last commit. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { top } from '../../program/programs.ts'
import { manPages } from './pages.ts'

const { SOURCE_DATE_EPOCH } = process.env
const seconds = SOURCE_DATE_EPOCH || execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: top, encoding: 'utf8' })
const time = new Date(Number(seconds) * 1000)
const directory = join(top, 'dist/man')
rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
for (const [name, text] of await manPages(time.toISOString().slice(0, 10))) writeFileSync(join(directory, name), text)
