/** Every block of README and of docs/ is parsed, and every command in them is one that the program named takes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { transform } from 'esbuild'
import { execa } from 'execa'
import { boundsIn } from '../../lib/definition/bounds.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { powerOffIn } from '../../lib/definition/power.ts'
import { root, run } from '../configure/run.ts'
import { consulBinary } from '../lab/consul.ts'
import { type Block, blocksIn, commandsIn, spansIn, withoutComments } from './blocks.ts'
import { faultIn, type Help, helpFrom } from './help.ts'

const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]
const textOf = (page: string) => readFileSync(join(root, page), 'utf8')
const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }

/** Not ours, and nothing to try here: each with the reason. Their options are the reader's own. */
const foreign: Readonly<Record<string, string>> = {
  git: 'clones a repository whose address the reader has',
  cp: 'writes to /etc',
  ls: 'lists the state directory of a machine',
  cat: 'shows files of a machine',
  cd: 'goes into the clone',
  curl: 'test/sources/cluster.long.ts runs the request',
  jq: 'reads what curl printed; the same test does it in JavaScript',
  sed: 'test/access/ makes the same policies of the same files',
  export: 'sets a variable',
  ln: 'switches the release of a machine',
  mv: 'switches the release of a machine',
  editor: 'writes a definition',
  systemctl: 'needs systemd; test/page/handed.test.ts runs the sockets by its own program',
}

/** Pages whose programs and commands are run as they are printed, and by which test: here they are only parsed. */
const runAsPrinted: Readonly<Record<string, string>> = {
  'docs/client.md': 'test/docs/programs.test.ts',
  'docs/finding-the-owner.md': 'test/docs/programs.test.ts',
  'docs/coming-from.md': 'test/docs/coming-from.long.ts',
  'docs/lock.md': 'test/lock/lock.test.ts',
}
process.env.KAFKA_PARTITION_COUNT = '12' // a definition there names it

const helps = new Map<string, Promise<Help>>()

function helpOf(program: string): Promise<Help> {
  const known =
    helps.get(program) ??
    run(process.execPath, [`${root}/handlers/${program}.ts`, '--help']).then(({ stdout }) => helpFrom(stdout))
  helps.set(program, known)
  return known
}

/** What is wrong with a command; null when nothing is. @param whole as of `faultIn` */
async function problemOf(words: readonly string[], whole: boolean): Promise<string | null> {
  const [name = '', first = '', ...rest] = words
  const handler = name === 'node' ? /^handlers\/([\w-]+|<name>)\.ts$/.exec(first)?.[1] : undefined
  if (basename(name) === 'watchbill' || handler !== undefined) return ofOurs(handler ?? first, rest, whole)
  if (name === 'npm') return ofNpm(first, rest)
  if (name === 'node') return ofNode([first, ...rest])
  if (name === 'consul') return ofConsul([first, ...rest])
  if (name in foreign || name === '…') return null
  return `nobody knows ${name}; give the reason why it cannot be tried in test/pages/pages.test.ts`
}

async function ofOurs(program: string, args: readonly string[], whole: boolean): Promise<string | null> {
  if (/^(<\w+>|--help|--version|…)$/.test(program)) return null
  if (!existsSync(`${root}/handlers/${program}.ts`)) return `there is no program ${program}`
  return faultIn(args, await helpOf(program), whole)
}

function ofNpm(act: string, [script = '', ...args]: readonly string[]): string | null {
  if (act !== 'run') return ['ci', 'test', 'install', 'pack'].includes(act) ? null : `npm ${act} is not used here`
  if (!(script in scripts)) return `there is no script ${script}`
  const [, ...words] = args[0] === '--' ? args : ['', ...args]
  const file = /node (\S+\.ts)/.exec(scripts[script] as string)?.[1] ?? ''
  const sources = globSync([file, `${file.replace(/[^/]+$/, '')}*.ts`], { cwd: root })
    .map(textOf)
    .join('\n')
  for (const word of words) {
    const [option] = word.replace(/^--/, '').split('=')
    if (word.startsWith('--') && !new RegExp(`\\b${option}\\b`).test(sources)) return `${script} has no option ${word}`
    if (script === 'bench' && !word.startsWith('-') && !existsSync(`${root}/test/bench/${word}.ts`))
      return `no benchmark ${word}`
  }
  return null
}

function ofNode(words: readonly string[]): string | null {
  const files = words.filter(word => /\.(ts|js|mjs)$/.test(word))
  const missing = files.find(file => globSync(file, { cwd: root }).length === 0)
  return missing === undefined ? null : `there is no ${missing}`
}

async function ofConsul(words: readonly string[]): Promise<string | null> {
  const at = words.findIndex(word => word.startsWith('-') || /[/.'<]/.test(word))
  const acts = words.slice(0, at < 0 ? words.length : at)
  const { stdout, stderr } = await execa(await consulBinary(), [...acts.slice(0, 3), '-help'], { reject: false })
  const help = `${stdout}\n${stderr}`
  if (!new RegExp(`^Usage: consul ${acts.join(' ')}\\b`, 'm').test(help)) return `consul has no ${acts.join(' ')}`
  const unknown = words.find(
    word =>
      /^--?[a-z]/.test(word) && !new RegExp(`^\\s+${word.replace(/=.*/, '').replace(/^--/, '-')}\\b`, 'm').test(help),
  )
  return unknown === undefined ? null : `consul ${acts.join(' ')} has no option ${unknown}`
}

async function problemsIn(shell: string, where: string, whole: boolean): Promise<string[]> {
  const found = await Promise.all(commandsIn(shell).map(async words => [words, await problemOf(words, whole)] as const))
  return found.flatMap(([words, problem]) => (problem === null ? [] : [`${where}: ${words.join(' ')}: ${problem}`]))
}

/** Some show one field of a definition. */
function whole(text: string): string {
  if (text.trimStart().startsWith('{')) return text
  const partitions = text.includes('"partitions"') ? '' : '"partitions": { "range": [0, 1] },'
  return `{ "name": "consumer", "run": { "command": ["consume"] }, ${partitions} ${text} }`
}

/** A limits file of a machine: docs/limits.md. */
const isBounds = (text: string) => text.startsWith('{') && !text.includes('"name"')

const isScript = ({ text }: Block) => text.startsWith('#!')

for (const page of pages) {
  const blocks = blocksIn(textOf(page))

  describe(page, { concurrency: 1 }, () => {
    for (const block of blocks) {
      const name = `the ${block.language || 'plain'} block at line ${block.line}`
      if (/^jsonc?$/.test(block.language))
        test(`${name} is a definition`, async () => {
          const text = whole(withoutComments(block.text))
          if (text.includes('"confirm"')) powerOffIn(text, `${page}:${block.line}`)
          else if (isBounds(text)) boundsIn(text, `${page}:${block.line}`)
          else await parseDefinition(text, `${page}:${block.line}`)
        })
      else if (/^(js|ts)$/.test(block.language))
        test(`${name} can be parsed`, async () => {
          await transform(block.text, { loader: block.language as 'js' | 'ts', format: 'esm' })
        })
      else if (block.language === 'sh')
        test(`${name} is shell, and its programs take what it says`, async () => {
          execFileSync('sh', ['-n'], { input: block.text })
          if (!isScript(block) && !(page in runAsPrinted))
            assert.deepEqual(await problemsIn(block.text, `line ${block.line}`, true), [])
        })
      else if (block.language === 'python')
        test(`${name} can be parsed`, () => {
          execFileSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], { input: block.text })
          assert.ok(page in runAsPrinted)
        })
      else if (block.language === '')
        test(`${name} shows what is printed`, async () => {
          const typed = [...block.text.matchAll(/^\$ (.*)$/gm)].map(([, line = '']) => line)
          for (const line of typed) assert.deepEqual(await problemsIn(line, `line ${block.line}`, true), [])
        })
      else test(`${name} is of a language that is known here`, () => assert.equal(block.language, 'ini'))
    }

    test('every command in its text is one that there is', async () => {
      const found = await Promise.all(spansIn(textOf(page)).map(span => problemsIn(span, span, false)))
      assert.deepEqual(found.flat(), [])
    })

    test('the test that runs what it prints is there', () => {
      assert.ok(existsSync(join(root, runAsPrinted[page] ?? 'README.md')))
    })
  })
}

describe('what a page says', () => {
  test('is taken apart as a shell would', () => {
    assert.deepEqual(commandsIn('sudo watchbill x \'a b\' "c#d" e#f  # why; not\nA=b y | z -q; w && v \\\n  u'), [
      ['watchbill', 'x', 'a b', 'c#d', 'e#f'],
      ['y'],
      ['z', '-q'],
      ['w'],
      ['v', 'u'],
    ])
  })

  test('is refused for an option, a program, a script, a file that there is not, and for a word too many', async () => {
    for (const [line, about] of [
      ['watchbill status --wiat 30s', /no option --wiat/],
      ['watchbill staus', /no program staus/],
      ['node handlers/drain.ts a b on off', /4 words are more than 3/],
      ['watchbill owner consumer', /1 words are fewer than 2/],
      ['npm run bnech', /no script bnech/],
      ['npm run demo -- --kepe', /no option --kepe/],
      ['npm run bench -- loock', /no benchmark loock/],
      ['node --test test/nonesuch.test.ts', /no test\/nonesuch/],
      ['consul kv get -recrse x/', /no option -recrse/],
      ['consul kv gte x/', /consul has no kv gte|no option/],
      ['watchbil status', /nobody knows watchbil/],
    ] as const)
      assert.match((await problemsIn(line, '', true)).join(), about, line)
  })
})
