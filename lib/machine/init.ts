/**
 * In a container the first process gets every orphan as its child. If it does not reap them, they stay zombies
 * forever.
 */

/** The command, wrapped in a tiny init (init.sh) when this process is the first of a container. */
export function belowInit(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return process.pid === 1 ? ['/bin/sh', `${import.meta.dirname}/init.sh`, ...command] : command
}

/**
 * Becomes an init that runs this very program below it, and does not return. Does nothing unless it is the first
 * process.
 */
export function runBelowInit(): void {
  if (process.pid !== 1) return
  const [file, ...args] = belowInit([process.execPath, ...process.execArgv, ...process.argv.slice(1)])
  process.execve?.(file, [file, ...args], process.env)
}
