/**
 * Runs when:      an operator wants partitions to stay on one instance, from any agent
 * Reads:          Consul
 * May change:     spec/placement
 * Never changes:  a lock or a process: the holders hand over as at any change of the roster
 * Exits:          0 done, or nothing to do; 100 a hard rule refuses it, and then nothing is changed
 */

import { changePins, pinLine } from '../lib/operate/pin.ts'
import { print, program } from '../lib/program/frame.ts'
import {
  consulArgs,
  jsonArg,
  mustMean,
  operatorDryRunArg,
  serviceArg,
  withService,
  yesArg,
} from '../lib/program/operator.ts'
import { whichPartitions, wholeSet } from '../lib/program/which.ts'

program({
  name: 'pin',
  about: 'Keeps partitions on one instance while that takes part, until unpin.',
  args: {
    ...serviceArg,
    partition: { type: 'positional', description: "the partition, or several: 'tenant-*'", required: true },
    instance: { type: 'positional', description: 'the instance, <node>:<service id>', required: true },
    ...yesArg,
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 30_000,
  run: args =>
    withService(args, async (consul, service) => {
      const { partition, instance, 'dry-run': dryRun = false } = args
      const which = { service, named: [partition], all: false }
      const partitions = await whichPartitions(consul, which, wholeSet)
      if (!dryRun) await mustMean('pin', which, partitions, args.yes)
      const pin = { service, partitions, instance, dryRun }
      const changed = await changePins(consul, pin)
      print(args.json ? JSON.stringify({ ...pin, changed }) : pinLine(pin, changed))
    }),
})
