/** Starts partitions' processes: detached shepherds that outlive the handler, the reload and the agent. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'
import { expand, expandEnv } from '../definition/expand.ts'
import { attempt, removeFact, writeFact } from '../state/facts.ts'
import type { PartitionFiles } from '../state/instance.ts'

export interface Start {
  readonly files: PartitionFiles
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

const launcher = `${import.meta.dirname}/launch.sh`
const shepherd = `${import.meta.dirname}/shepherd.sh`
/** So many by one launcher: their arguments have to fit into a command line. */
const atOnce = 32

/** Only these of the agent's own variables reach the process: a token in the agent's environment must not. */
const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME']

/**
 * Starts the shepherds of partitions whose locks are held. Each checks acquisition and lease itself before it starts the
 * process, and leaves at once when another shepherd is there.
 */
export async function startShepherds(definition: Definition, starts: readonly Start[]): Promise<void> {
  for (let from = 0; from < starts.length; from += atOnce) {
    await launch(definition, starts.slice(from, from + atOnce))
  }
}

/** @throws never for one that cannot be started: its status says so, and the next look tries again */
function launch(definition: Definition, starts: readonly Start[]): Promise<void> {
  for (const { files } of starts) prepare(files)
  const environments = starts.map(start => environment(definition, start))
  const names = differing(environments)
  const indexed = environments.flatMap((own, i) => names.map(name => [`_${i}_${name}`, own[name] ?? '']))
  const common = Object.entries(environments[0] ?? {}).filter(([name]) => !names.includes(name))
  const argv = starts.flatMap(start => {
    const own = shepherdArguments(definition, start)
    return [start.files.directory, String(own.length), ...own]
  })
  return new Promise(resolve => {
    // Nothing of ours is inherited: Consul waits for whoever holds a handler's stdout or stderr.
    spawn('/bin/sh', [launcher, shepherd, definition.run.cwd ?? '/', String(starts.length), names.join(' '), ...argv], {
      cwd: '/',
      env: Object.fromEntries([...common, ...indexed]),
      detached: true,
      stdio: 'ignore',
    })
      .on('error', error => {
        for (const { files } of starts) writeFact(files.status, `cannot start: ${error.message}`)
        resolve()
      })
      .on('exit', () => resolve())
  })
}

function prepare(files: PartitionFiles): void {
  removeFact(files.exit)
  writeFact(files.status, 'starting')
  attempt(`open ${files.output}`, () => closeSync(openSync(files.output, 'a', 0o600)))
}

function shepherdArguments(definition: Definition, start: Start): string[] {
  const values = valuesOf(start)
  const stopCommand = definition.stop.command === null ? [] : expand(definition.stop.command, values)
  return [
    ...[start.files.directory, start.acquisition, String(start.lease), String(start.grace)],
    ...[definition.run.restart, definition.stop.signal, String(stopCommand.length), ...stopCommand],
    ...expand(definition.run.command, values),
  ]
}

function environment(definition: Definition, start: Start): Record<string, string> {
  const kept = inherited.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]]))
  return {
    ...Object.fromEntries(kept),
    ...expandEnv(definition.run.env, valuesOf(start)),
    WATCHBILL_SERVICE: start.service,
    WATCHBILL_INSTANCE: start.instance,
    WATCHBILL_PARTITION: start.partition,
    WATCHBILL_TOKEN: start.token,
    WATCHBILL_VERSION: start.version,
    WATCHBILL_NODE: start.node,
  }
}

function valuesOf({ partition, token, version, node, instance, service }: Start): Record<string, string> {
  return { partition, token, version, node, instance, service }
}

/** The variables that are not the same for all; a shell knows only names that it could have made itself. */
function differing([first = {}, ...others]: readonly Record<string, string>[]): string[] {
  const names = Object.keys(first).filter(name => /^[A-Za-z_]\w*$/.test(name))
  return names.filter(name => others.some(other => other[name] !== first[name]))
}
