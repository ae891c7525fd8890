/**
 * Runs when:      somebody says watchbill alone, watchbill --help, --version, help, or a program that there is none of
 * Reads:          the programs that lie beside it; with --version Consul's agent
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; 100 there is no such program
 */
import { spawnSync } from 'node:child_process'
import { didYouMean } from '../lib/base/near.ts'
import { exit, print, program, remark } from '../lib/program/frame.ts'
import { firstSteps, programList, versionLines } from '../lib/program/overview.ts'
import { commandOf, programs } from '../lib/program/programs.ts'
import { terminal } from '../lib/program/terminal.ts'

program({
  name: 'help',
  about: 'Lists all programs, or says what one is for and which options it has.',
  args: {
    program: { type: 'positional', description: 'the program', required: false },
    first: { type: 'boolean', description: 'what to do first' },
    version: { type: 'boolean', description: "the versions of watchbill, of its Node, and of this machine's Consul" },
  },
  deadline: 30_000,
  async run({ program: name, first, version }) {
    const width = terminal()?.columns ?? Number.POSITIVE_INFINITY
    if (version) print(await versionLines())
    else if (first) print(firstSteps(width))
    else if (name === undefined) print(programList(width))
    else return ofOne(name)
    return exit.done
  },
})

function ofOne(name: string): number {
  const known = [...programs().keys()]
  if (!known.includes(name)) {
    const why = `there is no such program${didYouMean(name, known)}; see watchbill --help`
    remark(`watchbill: permanent: cannot run ${name}: ${why}`)
    return exit.permanent
  }
  const [node, ...args] = commandOf(name)
  return spawnSync(node, [...args, '--help'], { stdio: 'inherit' }).status ?? exit.temporary
}
