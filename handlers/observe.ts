/**
 * Runs when:      Consul's agent runs it as an observer's script check, and as its watches on the service and on spec/
 * Reads:          stdin of a watch; Consul (the indexes of the locks and the reports), the state directory
 * May change:     starts rerender
 * Never changes:  Consul; it makes no session and takes no partition
 * Exits:          0 passing, whatever the check finds: what it prints and `status` say what is wrong; 100 the stdin of a watch is wrong
 */
import { reason } from '../lib/base/errors.ts'
import { Consul } from '../lib/consul/http.ts'
import { keyprefixDigest, serviceDigest } from '../lib/consul/watch.ts'
import { print, program } from '../lib/program/frame.ts'
import { type InstanceArgs, instanceArgs, thisInstance } from '../lib/program/instance-args.ts'
import { handlerDeadline, onWatch } from '../lib/program/watch-handler.ts'
import type { Self } from '../lib/state/self.ts'

/** ms */
const requestLimit = 1000

const digests = { service: serviceDigest, spec: keyprefixDigest }

program({
  name: 'observe',
  about: 'Run by Consul for an observer: starts a render when something has changed.',
  args: {
    ...instanceArgs,
    watch: { type: 'enum', options: ['service', 'spec', 'none'], description: 'which watch runs it', default: 'none' },
  },
  deadline: handlerDeadline,
  run(args) {
    const { watch } = args
    if (watch === 'none') return tick(args)
    return onWatch({ handler: `observe.${watch}`, digest: digests[watch], act: start }, args)
  },
})

async function start(here: Self): Promise<string> {
  const { startDetached } = await import('../lib/process/beside.ts')
  startDetached('rerender', here)
  return 'something has changed: renders'
}

async function tick(args: InstanceArgs): Promise<void> {
  const here = thisInstance(args)
  const consul = new Consul({ limit: requestLimit })
  try {
    const { observe } = await import('../lib/render/observe.ts')
    print(await observe(consul, here))
  } catch (error) {
    // A check that changes its status can freeze all checks of a cut-off agent for half a minute, guards too (seen on 1.8.7).
    print(`not rendered: ${reason(error)}`)
  } finally {
    consul.close()
  }
}
