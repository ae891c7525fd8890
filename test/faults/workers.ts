/**
 * The programs of the lab's partitions: one kind each, all of them hard to find or to end, so that faults meet them.
 */
import { chmod, copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

const script = join(import.meta.dirname, 'worker.pl')

/** The start of the command before the worker's script, and the words after it: see worker.pl. */
const commands = {
  plain: ['exec perl', ''],
  /** Ignores SIGTERM. */
  stubborn: ['exec perl', 'stubborn'],
  /** A shell that waits for its child: only the child beats, and the shepherd is the parent of the shell only. */
  shell: ['perl', '; exit'],
  /** A second process outside the group and the session, and without its parent. */
  grandchild: ['exec perl', 'grandchild'],
  /** A master and its child, both of which set their titles: their environment is gone. */
  prefork: ['exec perl', 'child title'],
  /**
   * A second process that left group, session and parent, and has set its title or started again: its environment
   * tells nothing.
   */
  daemon: ['exec perl', 'grandchild title'],
  bare: ['exec perl', 'grandchild bare'],
  /** The first process of a pid namespace, as in a container: it outlives the process that waits for it. */
  container: ['WORKER_PID=$$ exec unshare --map-root-user --pid --fork perl', ''],
  /** A program with file capabilities: only root can read its environment, and it outlives its parent. */
  capable: ['exec "$2/perl-capable"', ''],
  /** A program that is set-uid root, with the same effects. */
  setuid: ['exec "$2/perl-setuid"', ''],
} as const

export type Kind = keyof typeof commands

/** The kind of each partition; the partition's id is the index. */
export const kinds: readonly Kind[] = [
  ...(['plain', 'stubborn', 'shell', 'grandchild', 'prefork', 'stubborn'] as const),
  ...(['bare', 'grandchild', 'capable', 'container', 'daemon', 'setuid'] as const),
]

/** @param folder of the lab, with the beats, the store, and the programs that `makePerls` put there */
export function workerCommand(folder: string): string[] {
  const cases = kinds.map((kind, id) => {
    const [program, words] = commands[kind]
    return `${id}) ${program} ${script} "$2/beats" "$2/store" ${words};;`
  })
  return ['/bin/sh', '-c', `case $1 in ${cases.join(' ')} esac`, 'worker', '{partition}', folder]
}

/** Makes perls with a capability that users do not have, and set-uid root. */
export async function makePerls(folder: string): Promise<void> {
  const { stdout: perl } = await execa('perl', ['-e', 'print $^X'])
  for (const name of ['perl-capable', 'perl-setuid']) await copyFile(perl, join(folder, name))
  await execa('setcap', ['cap_net_bind_service+ep', join(folder, 'perl-capable')])
  await chmod(join(folder, 'perl-setuid'), 0o4755)
}

/** A shell and its child, for `watchbill lock`: the child beats for `SERVICE/PARTITION`. */
export function lockedCommand(folder: string, host: string, partition: string): string[] {
  const [service = '', id = ''] = partition.split('/')
  const names = { INSTANCE: `${host}:lock`, SERVICE: service, PARTITION: id }
  const environment = Object.entries(names).map(([name, value]) => `WATCHBILL_${name}=${value}`)
  const run = `${environment.join(' ')} perl ${script} "$1/beats" "$1/store"; exit`
  return ['/bin/sh', '-c', run, 'worker', folder]
}
