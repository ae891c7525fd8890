/** What other machines are told about partitions whose processes cannot be ended. */
import { readLine } from '../state/facts.ts'
import { runnerOf } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'

/** @param why such as `cannot stop 7: SIGKILL did not help; its lock is kept until it is gone` */
export function stuckRemarks(
  files: InstanceFiles,
  node: string,
  partitions: readonly string[],
  why: string,
): Record<string, string> {
  const asked = /stop\.gone/.test(why)
  return Object.fromEntries(
    partitions.map(id => [id, asked ? unconfirmed(node) : unkillable(files, node, id)] as const),
  )
}

function unkillable(files: InstanceFiles, node: string, partition: string): string {
  const [pid = ''] = readLine(runnerOf(files.partition(partition)).process)?.split(' ') ?? []
  const look = pid === '' ? 'ps' : `ps -o stat,wchan,cmd -p ${pid}`
  return `waits for its process to end: SIGKILL did not help; on ${node} see what it hangs on (${look}), such as a dead disk or NFS server, or power the machine off`
}

function unconfirmed(node: string): string {
  return `waits for its process to end: the command stop.gone does not exit 0; run it by hand on ${node} to see why`
}
