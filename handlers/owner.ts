/**
 * Runs when:      somebody, or a script, wants to know which instance has a partition
 * Reads:          Consul
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0 and the instance; 1 when nobody has it
 */
import { Permanent } from '../lib/base/errors.ts'
import { shellWord } from '../lib/base/printable.ts'
import { plainOwner } from '../lib/look/part.ts'
import { exit, print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, serviceArg, withService } from '../lib/program/operator.ts'

program({
  name: 'owner',
  about: 'Says which instance has a partition.',
  args: {
    ...serviceArg,
    partition: { type: 'positional', description: 'the partition', required: true },
    ...jsonArg,
    ...consulArgs,
  },
  exits: '0 and the instance; 1 nobody has it',
  deadline: 30_000,
  run: args =>
    withService(args, async (consul, service) => {
      const owner = args.json ? null : await plainOwner(consul, service, args.partition)
      if (owner !== null) {
        print(owner)
        return exit.done
      }
      const { readStatus } = await import('../lib/operate/status/status.ts')
      const { partitions } = await readStatus(consul, service)
      const found = partitions.find(({ partition }) => partition === args.partition)
      if (!found)
        throw new Permanent(
          `cannot find the partition ${args.partition}: ${service} has no such; see watchbill partitions ${shellWord(service)}`,
        )
      if (args.json) print(JSON.stringify(found))
      else print(found.instance ?? `nobody: ${found.state}${found.why ? `: ${found.why}` : ''}`)
      return found.instance === null ? exit.no : exit.done
    }),
})
