/**
 * Runs when:      rerender or render has a template to turn into text
 * Reads:          stdin: the template and what it is given, as JSON
 * May change:     nothing
 * Never changes:  anything; it reads no file and no variable for a template
 * Exits:          0 the texts, or why there are none, are on stdout as JSON; 100 stdin is not that JSON
 */
import { Permanent } from '../lib/base/errors.ts'
import { printBytes, program } from '../lib/program/frame.ts'
import { readStdin } from '../lib/program/stdin.ts'
import type { Job } from '../lib/render/engine.ts'
import { turnLimit } from '../lib/render/limits.ts'

program({
  name: 'template',
  about: 'Run by rerender and render: turns a template into text, in a process that can be killed.',
  args: {},
  deadline: turnLimit,
  async run() {
    const job = jobFrom(readStdin())
    const { turn } = await import('../lib/render/engine.ts')
    printBytes(Buffer.from(JSON.stringify(turn(job))))
  },
})

function jobFrom(text: string): Job {
  try {
    return JSON.parse(text) as Job
  } catch {
    throw new Permanent('cannot read the template from stdin: it is not JSON; it is run by rerender and render')
  }
}
