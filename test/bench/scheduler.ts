/**
 * What a scheduler of the user's own costs with 5,000 partitions and 50 instances, on a real agent: the program from its start
 * until the plan is in force, beside the scheduler's own time; and a look that goes by an unchanged plan, against one without.
 */
import { join } from 'node:path'
import { execa } from 'execa'
import { Consul } from '../../lib/consul/http.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { readMemory } from '../../lib/keys/scheduler-memory.ts'
import { look } from '../../lib/look/look.ts'
import { assigned } from '../../lib/roster/assignment.ts'
import { makeDirectory, removeFact, writeFact } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import type { Run } from '../../lib/state/self.ts'
import { definition } from '../fixtures/cluster.ts'
import { startCluster } from '../lab/cluster.ts'
import { atMost, median, type Progress, type Row, told } from './bench.ts'
import { fill, service } from './scale/filled.ts'

const size = { partitions: 5000, instances: 51 }
const rounds = 9
const script = join(import.meta.dirname, '../../examples/scheduler-python/assign.py')
const handler = join(import.meta.dirname, '../../handlers/scheduler.ts')

export default async (progress: Progress): Promise<Row[]> => {
  const cluster = await startCluster({ clients: 0 })
  const agent = cluster.agent('s1')
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: agent.http }, limit: 60_000 })
  try {
    const [one] = await fill(agent, size, { digest: 'digest', shared: undefined }, progress)
    const { instance, session } = one as NonNullable<typeof one>
    const state = join(cluster.root, 'state')
    const files = instanceFiles(state, instance)
    makeDirectory(files.partitions)
    writeFact(files.session, session)
    const assign: Definition['assign'] = {
      from: { kind: 'command', command: [script] },
      ...{ everyMs: 30_000, timeoutMs: 5000, on: ['members'], giveUpAfterMs: 300_000, actions: {} },
    }
    const file = join(cluster.root, 'none')
    const stored = { file, definition: { ...definition, name: service, partitions: [], assign }, digest: 'digest' }
    writeFact(files.definition, JSON.stringify({ ...stored, stamp: 'stamp' }))
    const self = { instance, node: agent.name, service, serviceId: instance.split(':')[1] as string }
    const run: Run = { ...self, files, consul, definitionFile: file, log: progress }

    const looks = async () => {
      const times: number[] = []
      for (let round = 0; round <= rounds; round++) {
        const from = performance.now()
        const { snapshot } = await look(run, false)
        await assigned(snapshot)
        times.push(performance.now() - from)
        if (snapshot.ownPlan.text !== null) writeFact(files.plan, snapshot.ownPlan.text)
      }
      return median(times.slice(1)) // the first one loads code, and reads the plan
    }
    progress('looks without a plan')
    const without = await looks()

    const args = ['--instance', instance, '--service', service, '--definition', file, '--state', state]
    const whole: number[] = []
    const own: number[] = []
    for (let round = 0; round < rounds; round++) {
      const from = performance.now()
      // A withdrawn plan is written anew.
      if (round > 0) await agent.api('PUT', `/v1/kv/watchbill/${service}/spec/plan`, { revision: round })
      const begun = performance.now()
      const { stdout } = await execa(process.execPath, [handler, ...args, '--http-addr', agent.http])
      whole.push(performance.now() - begun)
      const { last } = await readMemory(consul, service)
      own.push(last?.took ?? 0)
      removeFact(files.schedulerDue)
      progress(
        `${stdout.trim()}: ${Math.round(whole.at(-1) ?? 0)} ms, ${last?.took} ms of them its own (${Math.round(performance.now() - from)})`,
      )
    }
    progress('looks with the plan')
    const withPlan = await looks()
    return [
      atMost(
        2000,
        'a plan of 5,000 × 50 in force, beside the scheduler',
        median(whole.map((ms, at) => ms - (own[at] ?? 0))),
      ),
      told('the scheduler itself, in Python', median(own)),
      told('a look without a plan', without),
      told('a look with an unchanged plan', withPlan),
    ]
  } finally {
    consul.close()
    await cluster.close()
  }
}
