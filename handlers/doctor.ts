/**
 * Runs when:      somebody sets a machine up, has changed its agent, or looks for the cause of a problem
 * Reads:          the agent, Consul, what configure wrote, the state directory, /proc, systemd
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0, warnings or not; 100 when something is unsafe; 111 when Consul is away: then little can be said
 */
import { resolve } from 'node:path'
import { exit, print, program } from '../lib/program/frame.ts'
import { consulArgs, consulDir, consulDirArg, jsonArg, withConsul } from '../lib/program/operator.ts'
import { examine, lineOf } from '../lib/setup/doctor/checks.ts'
import { gather } from '../lib/setup/doctor/gather.ts'

program({
  name: 'doctor',
  about: 'Checks the settings of this machine and its agent, and says what to do.',
  args: {
    ...consulDirArg,
    ...jsonArg,
    ...consulArgs,
  },
  exits: '0 nothing is unsafe; 100 something is',
  deadline: 60_000,
  run: args =>
    withConsul(args, async consul => {
      const facts = await gather(consul, resolve(consulDir(args)))
      const findings = examine(facts)
      if (args.json) print(JSON.stringify(findings))
      else for (const finding of findings) print(lineOf(finding))
      if (findings.some(({ level }) => level === 'unsafe')) return exit.permanent
      return 'unknown' in facts.agent && facts.agent.away ? exit.temporary : exit.done
    }),
})
