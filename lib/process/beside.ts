/** Starts one of our programs as a separate process. */
import { spawn } from 'node:child_process'
import { basename, dirname, extname } from 'node:path'
import type { Self } from '../state/self.ts'

export type Beside = 'reconcile' | 'attend' | 'sync' | 'scheduler' | 'rerender' | 'rollout' | 'power' | 'cut-off'

/** The program outlives this one and inherits none of its descriptors, because Consul would wait for them. */
export function startDetached(
  program: Beside,
  { instance, service, definitionFile, files }: Self,
  ...more: string[]
): void {
  const self = process.argv[1] as string
  const file = `${dirname(self)}/${program}${extname(self)}`
  if (basename(self) === basename(file)) return // this program is that one
  const args = [
    '--instance',
    instance,
    '--service',
    service,
    '--definition',
    definitionFile,
    '--state',
    dirname(files.directory),
  ]
  spawn(process.execPath, [...process.execArgv, file, ...args, ...more], { detached: true, stdio: 'ignore' }).unref()
}
