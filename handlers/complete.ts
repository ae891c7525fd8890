/**
 * Runs when:      a shell completes a command line, or somebody wants the script that has it do so
 * Reads:          the programs beside it; Consul, for at most a second
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0, also when nothing is known: a line that is being typed is no place for an error; 100 there is no such shell
 */
import { printable } from '../lib/base/printable.ts'
import { Consul } from '../lib/consul/http.ts'
import { candidates } from '../lib/operate/complete/complete.ts'
import { knowsBy } from '../lib/operate/complete/knows.ts'
import { scriptFor } from '../lib/operate/complete/scripts.ts'
import { exit, printBytes, program } from '../lib/program/frame.ts'

/** Of one request to Consul, and of everything, ms. */
const limits = { request: 1000, all: 5000 }

program({
  name: 'complete',
  about:
    'Prints the completion script for a shell: bash, zsh or fish. The script asks it what may stand at the cursor.',
  args: { shell: { type: 'positional', description: 'bash, zsh or fish', required: false } },
  command: true,
  deadline: limits.all,
  onDeadline: () => exit.done,
  async run({ shell }, words) {
    if (shell !== undefined) printBytes(scriptFor(shell))
    else await offer(words)
    return exit.done
  },
})

/** A line for each candidate. Consul away, or a token that may not read: then there is nothing to offer. */
async function offer(words: readonly string[]): Promise<void> {
  const consul = new Consul({ limit: limits.request })
  try {
    const found = await candidates(words, knowsBy(consul))
    // What a terminal would act on, nobody types.
    const lines = found.filter(([value]) => printable(value) === value).map(([value, about]) => `${value}\t${about}\n`)
    printBytes(Buffer.from(lines.join('')))
  } catch {
    // Nothing is printed.
  } finally {
    consul.close()
  }
}
