/** node:child_process for the programs of the model. The only program that they start is the launcher of shepherds. */
import { current } from '../program.ts'
import { launch } from '../shepherd.ts'

export function spawn(file: string, args: readonly string[], options: { readonly env: Record<string, string> }) {
  const program = current()
  program.effect('start shepherds')
  const { host } = program
  const known = file === '/bin/sh' && /^\/.*\/lib\/machine\/launch\.sh$/.test(args[0] ?? '')
  if (!known) host.world.forbid(`${program.name} would start ${file} ${args[0]}`)
  const listeners: Record<string, () => void> = {}
  host.world.after(host.world.between(`launch on ${host.name}`, 5, 40), { host, alive: true }, () => {
    launch(host, args.slice(7), options.env)
    host.world.after(1, program, () => listeners.exit?.())
  })
  const child = {
    on(event: string, listener: () => void) {
      listeners[event] = listener
      return child
    },
    unref() {},
  }
  return child
}

/** No definition of the model has a user, whose group would be asked for. */
export function spawnSync() {
  return { status: 1, stdout: '' }
}
