/**
 * Runs when:      the guard has got no answer from Consul, and the definition says what to do then
 * Reads:          the state directory
 * May change:     the stand-in of this instance; after a boot, processes of partitions that were its own at the last proof
 * Never changes:  anything in Consul; what Consul has said is lost, held or removed
 * Exits:          0 done, or nothing to do; 111 something does not end, or another program was faster
 */

import { whileCutOff } from '../lib/attend/cut-off.ts'
import { Temporary } from '../lib/base/errors.ts'
import { print, program } from '../lib/program/frame.ts'
import { afterArg, instanceArgs, thisInstance, waitFirst } from '../lib/program/instance-args.ts'
import { appendLog } from '../lib/state/log.ts'

program({
  name: 'cut-off',
  about: 'Does what a definition says for an instance that is cut off: its stand-in, and starts after a boot.',
  args: {
    ...instanceArgs,
    ...afterArg,
    'stand-in': { type: 'string', description: 'run or end: what is to be done with the stand-in' },
    'on-boot': { type: 'boolean', description: 'start what was its own at the last proof' },
  },
  deadline: 60_000,
  async run(args) {
    await waitFirst(args.after)
    const self = thisInstance(args)
    const standIn = args['stand-in'] === 'run' || args['stand-in'] === 'end' ? args['stand-in'] : null
    const said = await whileCutOff(self, { standIn, onBoot: args['on-boot'] ?? false })
    if (said === null) throw new Temporary(`cannot work for ${self.instance}: another handler does; try again`)
    if (said !== 'nothing to do') appendLog(self.files.log, `${self.instance} cut-off: ${said}`)
    print(`${self.instance}: ${said}`)
  },
})
