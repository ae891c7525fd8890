/**
 * Runs when:      somebody wants the scheduler of a service to do something, from any agent
 * Reads:          Consul
 * May change:     ask/<id>, spec/asked
 * Never changes:  a lock, a process or the plan: the scheduler decides what becomes of it
 * Exits:          0 answered, or asked with --wait 0s; 100 there is no such action; 111 not answered in time, or a hundred wait
 */
import { argumentsIn, askScheduler, wouldAsk } from '../lib/operate/ask.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, waitLimit, withService } from '../lib/program/operator.ts'

program({
  name: 'ask',
  about: 'Asks something of the scheduler of a service: one of the actions of its definition.',
  args: {
    ...serviceArg,
    action: { type: 'positional', description: 'the action', required: true },
    rest: { type: 'positional', description: 'its arguments: name=value', required: false },
    wait: { type: 'string', description: 'how long to wait for the answer; 0s not to wait', default: '60s' },
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 3_660_000,
  run: args =>
    withService(args, async (consul, service) => {
      const given = argumentsIn(args._.slice(2))
      if (args['dry-run']) {
        const would = await wouldAsk(consul, service, { action: args.action, given })
        return print(args.json ? JSON.stringify({ service, action: args.action, dryRun: true, would }) : would)
      }
      const { id, answer } = await askScheduler(consul, service, {
        action: args.action,
        given,
        limit: waitLimit(args.wait),
      })
      if (args.json) return print(JSON.stringify({ service, action: args.action, id, answer }))
      print(answer ?? `asked: ${id}; watchbill plan ${service} --show lists it until it is answered`)
    }),
})
