/** Globals that would show the real machine, replaced for the programs of the model. */
import { failure } from '../files.ts'
import { current } from '../program.ts'

export const process = {
  get pid(): number {
    return current().process.pid
  },
  ppid: 1,
  platform: 'linux',
  env: {} as Record<string, string | undefined>,
  argv: ['node', '/model/handlers/program.ts'],
  execArgv: [] as string[],
  execPath: 'node',
  hrtime(): [number, number] {
    const { clock } = current().host
    return [Math.floor(clock / 1000), (clock % 1000) * 1e6]
  },
  // A program of the model that ends is one that was killed: nothing is done at its exit.
  once(): void {},
  off(): void {},
  uptime(): number {
    return current().host.clock / 1000
  },
  getBuiltinModule(): unknown {
    return { setTimeout: (ms: number, value?: unknown) => new Promise(resolve => setTimeout(resolve, ms, value)) }
  },
  kill(pid: number, name: string | 0): void {
    const program = current()
    if (name === 0) {
      if (!program.host.processes.has(pid)) throw failure('ESRCH', `kill ${pid}`)
      return
    }
    program.effect(`${name} to ${pid}`)
    const { host } = program
    for (const { kind, pid: hit, stopped } of host.signal(pid, name)) {
      if (kind === 'stranger' || (kind === 'program' && !stopped))
        host.world.forbid(`${program.name} sent ${name} to a ${kind}, ${hit}`)
    }
  },
}

interface Timer {
  cleared: boolean
}

export function setTimeout<Args extends unknown[]>(work: (...args: Args) => void, ms: number, ...args: Args): Timer {
  const program = current()
  const timer = { cleared: false }
  program.host.world.after(ms, program, () => {
    if (!timer.cleared) work(...args)
  })
  return timer
}

export function clearTimeout(timer: Timer | undefined): void {
  if (timer) timer.cleared = true
}

export function setInterval(work: () => void, ms: number): Timer {
  const program = current()
  const timer = { cleared: false }
  const next = () =>
    program.host.world.after(ms, program, () => {
      if (timer.cleared) return
      work()
      next()
    })
  next()
  return timer
}

export { clearTimeout as clearInterval }

const epoch = Date.UTC(2026, 0, 1)

function wallClock(): number {
  return epoch + current().host.world.now
}

class VirtualDate extends globalThis.Date {
  constructor(...given: [] | [number]) {
    super(given.length > 0 ? (given[0] as number) : wallClock())
  }

  static override now(): number {
    return wallClock()
  }
}

export { VirtualDate as Date }

export const performance = {
  now(): number {
    return current().host.clock
  },
}
