/**
 * Runs when:      the guard, a look, or an observer has seen that files may have to be rendered again; or by hand
 * Reads:          Consul, the state directory, the templates of the definition
 * May change:     the files that the definition renders; render/<instance>; runs their checks and commands
 * Never changes:  a lease, a lock, a process of a partition
 * Exits:          0 done, or nothing to do; 100 the definition is wrong; 111 Consul is away. `status` shows what fails
 */
import { reason } from '../lib/base/errors.ts'
import { print, program } from '../lib/program/frame.ts'
import { instanceArgs, thisInstance } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'
import { render } from '../lib/render/render.ts'

program({
  name: 'rerender',
  about: 'Renders the files of one instance, if anything has changed.',
  args: instanceArgs,
  deadline: 600_000,
  async run(args) {
    const run = runOf('rerender', thisInstance(args))
    try {
      print(`${run.instance}: ${await render(run)}`)
    } catch (error) {
      run.log(`failed: ${reason(error)}`)
      throw error
    } finally {
      run.consul.close()
    }
  },
})
