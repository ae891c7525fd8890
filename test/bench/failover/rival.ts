/** The same worker under `consul lock`, on every client of a fault lab. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Lab } from '../../faults/lab.ts'
import type { Agent } from '../../lab/cluster.ts'
import { consulBinary } from '../../lab/consul.ts'
import { killMarked } from '../../lab/marked.ts'
import { until } from '../../lab/until.ts'

export const rivalService = 'consul-lock'

/** One contest for one lock: who begins first has it. */
export class Rival {
  readonly partition: string
  readonly #lab: Lab
  readonly #consul: string
  readonly #name: string
  readonly #wrappers = new Map<Agent, number>()

  private constructor(lab: Lab, consul: string, name: string) {
    this.#lab = lab
    this.#consul = consul
    this.#name = name
    this.partition = `${rivalService}/${name}`
  }

  /** `first` has the lock and runs the worker, the others wait for it. */
  static async start(lab: Lab, name: string, first: Agent): Promise<Rival> {
    const rival = new Rival(lab, await consulBinary(() => {}), name)
    rival.#wait(first)
    await until('consul lock to run its worker', async () =>
      (await lab.beats()).some(({ partition }) => partition === rival.partition),
    )
    for (const agent of lab.clients) if (agent !== first) rival.#wait(agent)
    const waiting = async () => (await first.api<unknown[]>('GET', '/v1/session/list')).length
    const sessions = lab.clients.length * 2 // ours has one on each as well
    await until('the others to wait for it', async see => see(await waiting()) >= sessions)
    return rival
  }

  /** SIGKILL for `consul lock` itself, on one host. */
  killWrapper(agent: Agent): void {
    process.kill(this.#wrappers.get(agent) as number, 'SIGKILL')
  }

  /** Everything of the contest ends, orphaned workers too. */
  async end(): Promise<void> {
    await killMarked(this.#mark)
  }

  get #mark(): string {
    return `${this.#lab.root}/rival-${this.#name}`
  }

  #wait(agent: Agent): void {
    const worker = join(import.meta.dirname, '../../faults/worker.pl')
    const files = [join(this.#lab.root, 'beats'), join(this.#lab.root, 'store')]
    const command = [this.#consul, 'lock', `-http-addr=${agent.http}`, `bench/${this.#name}`]
    const [file = '', ...args] = [...agent.place.enter, ...command, `exec perl ${worker} ${files.join(' ')}`]
    const child = spawn(file, args, {
      stdio: 'ignore',
      detached: true,
      env: {
        PATH: process.env.PATH,
        // By it the lab's programs find what came from them: test/lab/marked.ts.
        WATCHBILL_LAB: this.#mark,
        WATCHBILL_INSTANCE: `${agent.name}:${rivalService}`,
        WATCHBILL_SERVICE: rivalService,
        WATCHBILL_PARTITION: this.#name,
        WATCHBILL_TOKEN: '0',
      },
    })
    child.unref()
    this.#wrappers.set(agent, child.pid as number)
  }
}
