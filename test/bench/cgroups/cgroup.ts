/** The CPU of processes and of all that they start, exactly: their counters in /proc go in steps of 10 ms. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'

/** Moves these processes into a new cgroup, which needs root. What they start from then on belongs to it. */
export function cgroupOf(pids: readonly number[]) {
  const root = existsSync('/sys/fs/cgroup/cpuacct') ? '/sys/fs/cgroup/cpuacct' : '/sys/fs/cgroup'
  const own = `${root}/watchbill-bench-${process.pid}-${pids[0]}`
  mkdirSync(own)
  move(pids, own)
  return {
    cpuSeconds: () => {
      if (existsSync(`${own}/cpuacct.usage`)) return Number(readFileSync(`${own}/cpuacct.usage`, 'utf8')) / 1e9
      return Number(/^usage_usec (\d+)/m.exec(readFileSync(`${own}/cpu.stat`, 'utf8'))?.[1]) / 1e6
    },
    /** A cgroup cannot be removed while anyone is in it. */
    dissolve: () => {
      for (let left = members(own); left.length > 0; left = members(own)) move(left, root)
      rmdirSync(own)
    },
  }
}

function move(pids: readonly (number | string)[], group: string): void {
  for (const pid of pids) {
    try {
      writeFileSync(`${group}/cgroup.procs`, String(pid))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // a timer that has just ended
    }
  }
}

function members(group: string): string[] {
  return readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean)
}
