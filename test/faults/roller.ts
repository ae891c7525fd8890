/** Has a roll-out always be under way, whatever else happens to the lab: versions 1.0 and 2.0 in turn, and now and then a restart. */
import { setTimeout as pause } from 'node:timers/promises'
import { Consul } from '../../lib/consul/http.ts'
import { isOver } from '../../lib/keys/roll.ts'
import { beginRoll } from '../../lib/operate/roll/begin.ts'
import { optionsFrom } from '../../lib/operate/roll/options.ts'
import { currentRoll, orderRoll } from '../../lib/operate/roll/order.ts'
import type { Lab } from './lab.ts'

/** The `versions` of the lab's definition. */
export const rollingVersions = { pattern: '^\\d+\\.\\d+$', first: '1.0', prepare: ['/bin/true', '{version}'] }

const options = optionsFrom({ 'max-unavailable': '3', settle: '1s', limit: '5m' })
const every = 1000
/** What has stopped is tried on after so many rounds: a fault may have killed a process twice. */
const patience = 5

export class Roller {
  readonly #lab: Lab
  readonly #work: Promise<void>
  #ended = false
  #begun = 0
  #done = 0
  #resumed = 0
  #stopped = 0

  constructor(lab: Lab) {
    this.#lab = lab
    this.#work = this.#roll()
  }

  async end(): Promise<string> {
    this.#ended = true
    await this.#work
    return `${this.#begun} roll-outs begun, ${this.#done} done; ${this.#resumed} times one had stopped and was resumed`
  }

  async #roll(): Promise<void> {
    for (; !this.#ended; await pause(every)) {
      const { control } = this.#lab.servers[0] as Lab['servers'][number]
      const consul = new Consul({ env: { CONSUL_HTTP_ADDR: control } })
      // Consul may be away, a member may be none, and others may write: the next round tries again.
      await this.#round(consul).catch(() => {})
      consul.close()
    }
  }

  async #round(consul: Consul): Promise<void> {
    const service = this.#lab.definition.name
    const now = await currentRoll(consul, service)
    if (now === null || isOver(now)) {
      if (now?.state === 'done') this.#done++
      const to = this.#begun % 5 === 4 ? null : this.#begun % 2 === 0 ? '2.0' : '1.0'
      const { roll } = await beginRoll(consul, service, to, options, false)
      this.#begun++
      if (roll === null) this.#done++
      return
    }
    if (now.state !== 'stopped') return
    if (++this.#stopped % patience !== 0) return
    await orderRoll(consul, service, 'resume', false)
    this.#resumed++
  }
}
