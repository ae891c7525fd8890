/** Completions in real shells, each in a pseudo-terminal: what is typed, a tab, and what stands there then. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { execa } from 'execa'
import { root } from '../configure/run.ts'
import { until } from '../lab/until.ts'
import { serviceIn } from '../page/page.ts'

/** How each is started without the user's own settings, and how it loads the script. */
const shells = {
  bash: { args: ['--norc', '--noprofile', '-i'], load: 'source <(watchbill complete bash)' },
  zsh: { args: ['-f', '-i'], load: 'autoload -Uz compinit && compinit -u -D && source <(watchbill complete zsh)' },
  fish: { args: ['--no-config', '-i'], load: 'watchbill complete fish | source' },
} as const

for (const [shell, { args, load }] of Object.entries(shells)) {
  test(`${shell} completes programs, options, services, instances and partitions`, async t => {
    if ((await execa('which', [shell], { reject: false })).failed) return t.skip(`there is no ${shell} here`)
    const { consul } = await serviceIn(t)
    const typed = await inTerminal(t, shell, args, consul.address.origin)
    await typed.says(`${load}; echo loa''ded`, 'loaded')
    for (const [line, completed] of [
      ['watchbill unh', 'watchbill unhold '],
      ['watchbill owner s', 'watchbill owner svc '],
      ['watchbill owner svc --js', 'watchbill owner svc --json'],
      ['watchbill drain svc a', 'watchbill drain svc a:svc'],
      ['watchbill drain svc b:', 'watchbill drain svc b:svc'],
    ] as const)
      await typed.completes(line, completed)
    await typed.offers('watchbill owner svc ', ['0', '1'])
  })
}

async function inTerminal(t: TestContext, shell: string, args: readonly string[], address: string) {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-shell-'))
  const program = join(folder, 'watchbill')
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${root}/handlers/watchbill.js "$@"\n`)
  chmodSync(program, 0o755)
  const env = {
    ...{ PATH: `${folder}:${process.env.PATH}`, HOME: folder, TERM: 'dumb', PS1: '> ' },
    ...{ CONSUL_HTTP_ADDR: address, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, LC_ALL: 'C.UTF-8' },
  }
  // fish only draws what it completes where a terminal can move its cursor.
  if (shell === 'fish') env.TERM = 'xterm'
  const command = `stty cols 150 rows 40; exec ${[shell, ...args].join(' ')}`
  const child = spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    shown += chunk
  })
  const now = () => stripVTControlCharacters(shown).replaceAll('\r', '')
  await until(`${shell} to be there`, () => now().includes('>') || now().includes('#') || now().includes('%'))
  const see = (text: string) => until(`"${text}"`, see => see(now()).includes(text), { deadline: 20_000 })
  const clear = async () => {
    shown = ''
    child.stdin.write('\u0015') // Ctrl-U: the line is empty again
  }
  return {
    says: async (line: string, text: string) => {
      child.stdin.write(`${line}\r`)
      await see(text)
      await clear()
    },
    completes: async (line: string, completed: string) => {
      child.stdin.write(`${line}\t`)
      await see(completed)
      await clear()
    },
    offers: async (line: string, values: readonly string[]) => {
      child.stdin.write(`${line}\t\t`)
      await until(
        `${values}`,
        see => values.every(value => new RegExp(`\\b${value}\\b`).test(see(now()).replace(line, ''))),
        {
          deadline: 20_000,
        },
      )
      await clear()
    },
  }
}
