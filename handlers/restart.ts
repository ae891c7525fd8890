/**
 * Runs when:      an operator wants the processes of partitions restarted, from any agent; with --rolling all, a few at a time
 * Reads:          Consul
 * May change:     restart/<partition>, and the key that wakes its holder
 * Never changes:  a lock, a token, a process: the holder restarts its own, and keeps the lock
 * Exits:          0 the old processes are gone; 100 nobody runs one, and then nothing is done; 111 the wait is over
 */

import { keysOf } from '../lib/base/names.ts'
import { listed } from '../lib/base/text.ts'
import type { Consul } from '../lib/consul/http.ts'
import { lookAtSome } from '../lib/look/part.ts'
import { askForRestart, holdersFor, restarted, runningNow } from '../lib/operate/restart.ts'
import { mustRoll, rollArgs } from '../lib/operate/roll/options.ts'
import { exit, print, program } from '../lib/program/frame.ts'
import { partitionArgs, waitLimit, withPartitions, withService } from '../lib/program/operator.ts'

program({
  name: 'restart',
  about: 'Stops the processes of partitions, wherever they run, and starts them anew there.',
  args: {
    ...partitionArgs,
    rolling: { type: 'boolean', description: 'restart all of them, a few at a time; the options below go with it' },
    ...rollArgs,
    wait: {
      type: 'string',
      description: 'how long to wait until they have stopped, at most; 0s: do not wait',
      default: '60s',
    },
  },
  deadline: 3_700_000,
  run(args) {
    const isRolling = mustRoll(args, args._.slice(1))
    if (isRolling)
      return withService(args, async (consul, service) => {
        const { begin } = await import('../lib/operate/roll/roll.ts')
        return begin(consul, service, null, { ...args, wait: args.wait === '60s' ? '60m' : args.wait })
      })
    const restart = async (consul: Consul, partitions: readonly string[]) => {
      const { service } = args
      const limit = waitLimit(args.wait)
      const dryRun = args['dry-run'] ?? false
      const asked = dryRun
        ? holdersFor(await lookAtSome(consul, service, partitions), partitions)
        : await askForRestart(consul, service, partitions)
      const wait = !dryRun && limit > 0
      if (wait) await restarted(consul, keysOf(service), partitions, limit)
      if (args.json) {
        print(JSON.stringify({ service, dryRun, restarted: wait, asked: Object.fromEntries(asked) }))
        return exit.done
      }
      const verb = dryRun ? 'would restart' : wait ? 'restarted' : 'asked to restart'
      for (const [instance, ids] of asked) print(`${instance}: ${verb} ${listed(ids)}`)
      return exit.done
    }
    return withPartitions('restart', args, restart, runningNow)
  },
})
