/**
 * Runs when:      somebody, cron or a script wants one command to run at a time in the data center
 * Reads:          Consul
 * May change:     the keys of this lock, its own session; starts the command and stops what came from it
 * Never changes:  what another holder has; services and their partitions
 * Exits:          as the command does, 128+n for a signal; 1, or -E, not taken in time; 111 lost, or the command ran too long
 */

import { lock } from '../lib/lock/lock.ts'
import { nameToList, orderFrom } from '../lib/lock/order.ts'
import { runBelowInit } from '../lib/machine/init.ts'
import { print, program, remark } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, withConsul } from '../lib/program/operator.ts'

program({
  name: 'lock',
  about: 'Runs a command while it holds a lock: one at a time in the data center.',
  args: {
    lock: { type: 'positional', description: 'the name of the lock: any characters', required: false },
    'no-wait': { type: 'boolean', description: 'exit 1 at once when somebody else holds it' },
    wait: { type: 'string', description: 'exit 1 when it cannot be taken within this time (default: wait for ever)' },
    'conflict-exit-code': {
      ...{ type: 'string', alias: 'E', default: '1' },
      description: 'the exit status for that instead of 1, which the command may use too',
    },
    name: { type: 'string', description: 'your name, shown to others while you hold it or wait: "nightly build 12"' },
    shell: { type: 'boolean', description: 'run the command, given as one word, with $SHELL -c (or /bin/sh -c)' },
    'pass-stdin': { type: 'boolean', description: 'give the command our stdin, even when that is not a terminal' },
    slots: { type: 'string', description: 'how many may hold it at a time', default: '1' },
    timeout: { type: 'string', description: 'stop the command when it runs longer, such as 5m' },
    lease: { type: 'string', description: 'how long the command may run on without Consul', default: '10s' },
    grace: { type: 'string', description: 'between SIGTERM and SIGKILL', default: '3s' },
    list: { type: 'boolean', description: 'run nothing: print who holds the lock, or all locks, and who waits' },
    ...jsonArg,
    verbose: { type: 'boolean', description: 'print on stderr what it waits for and does' },
    ...consulArgs,
  },
  command: true,
  exits: "the command's status, 128+n for a signal; 1, or --conflict-exit-code, not taken in time",
  deadline: null,
  run: async (args, command) => {
    const warn = (line: string) => remark(`lock: ${line}`)
    if (args.list) {
      const name = nameToList(args, command)
      const { listLines, listLocks, unseenRemark } = await import('../lib/lock/list.ts')
      const { locks, unseen } = await withConsul(args, consul => listLocks(consul, name))
      if (unseen) warn(unseenRemark)
      print(args.json ? JSON.stringify(locks) : listLines(locks, name))
      return 0
    }
    runBelowInit()
    const given = { passStdin: args['pass-stdin'], conflictExitCode: args['conflict-exit-code'] }
    const order = orderFrom({ ...args, ...given }, command)
    const say = args.verbose ? warn : () => {}
    return withConsul(args, consul => lock(order, consul, { warn, say }))
  },
})
