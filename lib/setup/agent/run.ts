/** Prepares a machine for Consul's agent, and becomes it. */
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { Permanent } from '../../base/errors.ts'
import { asCalled, callersEnvironment } from '../../machine/caller.ts'
import { belowInit } from '../../machine/init.ts'
import { attempt, install } from '../install.ts'
import { argumentsFor, settingsFor, type Wishes, wantedSettings } from './command.ts'
import { consulProgram, versionOf } from './consul-program.ts'

export interface Prepared {
  /** The command, and its arguments. */
  readonly argv: readonly [string, ...string[]]
}

/**
 * Creates the data directory and writes the settings files into it: Consul reads them again at each reload. Only Consul's
 * user can read them; Consul itself stores the gossip key there.
 * @throws Permanent when there is no Consul, or a file may not be written; Temporary when the write failed for another reason
 */
export function prepare(wishes: Wishes, consul: string | undefined, dryRun: boolean): Prepared {
  const program = consulProgram(consul, process.env)
  const settings = settingsFor(wishes, versionOf(program))
  const files = {
    wanted: `${wishes.dataDir}/watchbill-agent-defaults.json`,
    needed: `${wishes.dataDir}/watchbill-agent.json`,
  }
  if (!dryRun) {
    attempt('make', wishes.dataDir, () => mkdirSync(wishes.dataDir, { recursive: true, mode: 0o700 }))
    for (const [file, text] of [
      [files.wanted, wantedSettings],
      [files.needed, settings],
    ] as const) {
      install(file, `${JSON.stringify(text, null, 2)}\n`, false, 0o600)
    }
  }
  return { argv: [program, ...argumentsFor(wishes, files)] }
}

/**
 * Replaces this process by Consul, with the same pid, so that a supervisor watches Consul itself and systemd gets its
 * notification. As the first process of a container it becomes a tiny init, with Consul as its child. Does not return.
 */
export function become(argv: readonly [string, ...string[]]): never {
  if (!process.execve) throw new Permanent(`cannot become consul: Node ${process.version} cannot; use 22.19 or later`)
  const [file, ...args] = belowInit(asCalled(argv))
  return process.execve(file, [file, ...args], callersEnvironment())
}

/** Whether a path is a directory. @throws Permanent when it does not exist */
export function isDirectory(path: string): boolean {
  return attempt('read', path, () => statSync(path)).isDirectory()
}

/** The gossip key in a file. @throws Permanent when it is not a key; the error never shows the file's content */
export function gossipKey(file: string): string {
  const key = attempt('read', file, () => readFileSync(file, 'utf8')).trim()
  if (/^[A-Za-z0-9+/]+=*$/.test(key) && [16, 24, 32].includes(Buffer.from(key, 'base64').length)) return key
  throw new Permanent(`cannot use ${file}: it holds no gossip key; make one with consul keygen`)
}
