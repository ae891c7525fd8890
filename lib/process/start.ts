/** Starts a partition's process: a detached shepherd that outlives the handler, the reload and the agent. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'
import { expand } from '../definition/expand.ts'
import { attempt, removeFact, writeFact } from '../state/facts.ts'
import type { PartitionFiles } from '../state/instance.ts'
import { processOf } from './identity.ts'

export interface Start {
  readonly service: string
  readonly instance: string
  readonly node: string
  readonly partition: string
  readonly acquisition: string
  readonly token: string
  readonly version: string
  /** L and G of the acquisition, in ms. */
  readonly lease: number
  readonly grace: number
}

const shepherd = `${import.meta.dirname}/shepherd.sh`

/** Only these of the agent's own variables reach the process: a token in the agent's environment must not. */
const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME']

/**
 * Starts the shepherd of a partition whose lock is held. It checks acquisition and lease itself before it starts the
 * process, and leaves at once when another shepherd is there.
 * Nothing of ours is inherited but the output file: Consul waits for whoever holds a handler's stdout or stderr.
 */
export function startShepherd(files: PartitionFiles, definition: Definition, start: Start): void {
  const values = {
    partition: start.partition,
    token: start.token,
    version: start.version,
    node: start.node,
    instance: start.instance,
    service: start.service,
  }
  const stopCommand = definition.stop.command === null ? [] : expand(definition.stop.command, values)
  const argv = [
    ...[shepherd, files.directory, start.acquisition, String(start.lease), String(start.grace)],
    ...[definition.run.restart, definition.stop.signal, String(stopCommand.length), ...stopCommand],
    ...expand(definition.run.command, values),
  ]
  removeFact(files.exit)
  writeFact(files.status, 'starting')
  const output = attempt(`open ${files.output}`, () => openSync(files.output, 'a', 0o600))
  try {
    const child = spawn('/bin/sh', argv, {
      cwd: definition.run.cwd ?? '/',
      env: environment(definition, start, values),
      detached: true,
      stdio: ['ignore', output, output],
    })
    child.on('error', error => writeFact(files.status, `cannot start: ${error.message}`)).unref()
    const launched = child.pid === undefined ? null : processOf(child.pid)
    if (launched) writeFact(files.launched, `${launched.pid} ${launched.start}`)
  } finally {
    closeSync(output)
  }
}

function environment(definition: Definition, start: Start, values: Record<string, string>): Record<string, string> {
  const own = Object.fromEntries(
    Object.entries(definition.run.env).map(([name, value]) => [name, expand([value], values)[0] as string]),
  )
  const kept = inherited.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]]))
  return {
    ...Object.fromEntries(kept),
    ...own,
    WATCHBILL_SERVICE: start.service,
    WATCHBILL_INSTANCE: start.instance,
    WATCHBILL_PARTITION: start.partition,
    WATCHBILL_TOKEN: start.token,
    WATCHBILL_VERSION: start.version,
    WATCHBILL_NODE: start.node,
  }
}
