/** What the examples share: a lab of agents with `watchbill` and `consul` on the PATH, and a checked result. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Cluster, startCluster } from '../../test/lab/cluster.ts'
import { consulBinary } from '../../test/lab/consul.ts'

export const here = import.meta.dirname

/** The environment in which a machine runs its commands. */
export type Machine = Record<string, string>

/**
 * Starts an agent per machine, tells the story, and prints the verdict. Exit status: 0 when nothing is wrong, 1 otherwise.
 * @param story what happens; it returns what is wrong, a line each
 */
export async function onMachines(count: number, story: (machines: Machine[], cluster: Cluster) => Promise<string[]>) {
  const cluster = await startCluster({ clients: count - 1, say })
  try {
    const bin = join(cluster.root, 'bin')
    mkdirSync(bin)
    symlinkSync(join(here, '../../handlers/watchbill.js'), join(bin, 'watchbill'))
    symlinkSync(await consulBinary(say), join(bin, 'consul'))
    const machines = cluster.agents.map(({ env, http }) => {
      return { ...env, PATH: `${bin}:${env.PATH}`, CONSUL_HTTP_ADDR: http }
    })
    const wrong = await story(machines, cluster)
    for (const line of wrong) say(`wrong: ${line}`)
    say(`verdict: ${wrong.length === 0 ? 'as it should be' : 'NOT as it should be'}`)
    process.exitCode = wrong.length === 0 ? 0 : 1
  } finally {
    await cluster.close()
  }
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
