/** Runs the program `template`, which turns one template into texts, and ends it when it takes too long. */
import { dirname, extname } from 'node:path'
import { execa } from 'execa'
import type { Job, Turned } from './engine.ts'
import { inMiB, mostTexts, turnLimit, turnMemory } from './limits.ts'

/**
 * @param limit ms
 * @returns the texts, one for each partition of the input when the job asks for that; else one. A single error stands for all
 */
export async function turnApart(job: Job, limit = turnLimit): Promise<readonly Turned[]> {
  const self = process.argv[1] as string
  const program = `${dirname(self)}/template${extname(self)}`
  // timeout(1) goes on when this program is killed. SIGKILL: a loop in JavaScript hears no other signal.
  const args = ['-s', 'KILL', String(limit / 1000), process.execPath, ...process.execArgv]
  // Whatever a template may find in liquidjs, it can write nothing and start nothing.
  const less = ['--permission', '--allow-fs-read=*', `--max-old-space-size=${turnMemory}`]
  const result = await execa('timeout', [...args, ...less, program], {
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
    extendEnv: false,
    input: JSON.stringify(job),
    stdout: 'pipe',
    stderr: 'pipe',
    maxBuffer: mostTexts,
    reject: false,
  })
  if (result.isMaxBuffer) return [{ error: `all of it is more than ${inMiB(mostTexts)}` }]
  if (result.exitCode === 0) return JSON.parse(result.stdout) as Turned[]
  return [{ error: whyNot(result, limit) }]
}

interface End {
  readonly exitCode?: number | undefined
  readonly signal?: string | undefined
  readonly stderr: string
  readonly originalMessage?: string | undefined
}

function whyNot({ exitCode, signal, stderr, originalMessage }: End, limit: number): string {
  if (exitCode === 137 || signal === 'SIGKILL') return `it takes longer than ${limit / 1000} s`
  if (/heap out of memory/.test(stderr) || exitCode === 134 || signal === 'SIGABRT')
    return `it takes more memory than ${turnMemory} MiB`
  return stderr.trim().split('\n').at(-1)?.slice(0, 300) || originalMessage || `exit ${exitCode}`
}
