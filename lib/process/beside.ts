/** Starts one of our programs beside this one. */
import { spawn } from 'node:child_process'
import { basename, dirname, extname } from 'node:path'
import type { Self } from '../state/self.ts'

export type Beside = 'reconcile' | 'attend' | 'sync'

/** It outlives this program and holds none of its descriptors: Consul would wait for them. */
export function startDetached(
  program: Beside,
  { instance, service, definitionFile, files }: Self,
  ...more: string[]
): void {
  const self = process.argv[1] as string
  const file = `${dirname(self)}/${program}${extname(self)}`
  if (basename(self) === basename(file)) return // it is at it
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
