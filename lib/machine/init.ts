/** In a container the first program is the kernel's init: whoever loses its parent is its child, and a zombie for ever. */

/** A command such that it runs below a tiny init, if it is to be the first process. */
export function belowInit(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return process.pid === 1 ? ['/bin/sh', `${import.meta.dirname}/init.sh`, ...command] : command
}

/** Becomes an init with this very program below it. Does not return; where it is not the first process, it does nothing. */
export function runBelowInit(): void {
  if (process.pid !== 1) return
  const [file, ...args] = belowInit([process.execPath, ...process.execArgv, ...process.argv.slice(1)])
  process.execve?.(file, [file, ...args], process.env)
}
