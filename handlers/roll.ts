/**
 * Runs when:      an operator rolls a version out, step by step, from any agent; or wants to see, stop, or revert that
 * Reads:          Consul
 * May change:     the record of the roll-out, and what the settings say of it (and spec/revision with that)
 * Never changes:  a lock or a process: an instance has it go on, and the holders restart their own
 * Exits:          0 done; 100 the version is not allowed, or another roll-out is under way; with --wait 100 it went back, 111 it
 *                 waits for a person, or the time is over
 */
import { rollArgs } from '../lib/operate/roll/options.ts'
import { mustMeanOne, roll } from '../lib/operate/roll/roll.ts'
import { program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, withService } from '../lib/program/operator.ts'

program({
  name: 'roll',
  about: 'Rolls a version of the program out, step by step; shows, pauses or reverts that.',
  args: {
    ...serviceArg,
    to: { type: 'string', description: 'the version; all options below but --wait go with it' },
    ...rollArgs,
    status: { type: 'boolean', description: 'say how far it is (the default)' },
    proceed: { type: 'boolean', description: 'go on with the next step, after --ack' },
    pause: { type: 'boolean', description: 'restart nothing more until --resume' },
    resume: { type: 'boolean', description: 'go on after --pause; after a failure, try what failed once more' },
    skip: { type: 'boolean', description: 'wait no longer for what is not well now, and go on' },
    revert: { type: 'boolean', description: 'bring what has the new version back to the one in force' },
    wait: { type: 'string', description: 'wait up to this time, such as 10m, until it is over' },
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  exits: '0; with --wait 100 when it went back, 111 when it waits for a person',
  deadline: 3_700_000,
  run(args) {
    mustMeanOne(args)
    return withService(args, (consul, service) => roll(consul, service, args))
  },
})
