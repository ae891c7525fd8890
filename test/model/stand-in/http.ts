/** Node's HTTP client for the programs of the model: requests go over a virtual network to the model of Consul. */
import { EventEmitter } from 'node:events'
import { networkOf } from '../network.ts'
import { current, type Program } from '../program.ts'

interface Options {
  readonly method: string
  readonly path: string
  readonly agent: Agent
}

/** When it is destroyed its waiting requests fail; requests that were sent still arrive. */
export class Agent {
  readonly program: Program = current()
  readonly open = new Set<ClientRequest>()

  destroy(): void {
    for (const request of [...this.open]) request.fail(new Error('The agent is destroyed'))
  }
}

export class ClientRequest extends EventEmitter {
  readonly #options: Options

  constructor(options: Options) {
    super()
    this.#options = options
  }

  end(body = ''): void {
    const { method, path, agent } = this.#options
    agent.program.effect(`${method} ${path.replace(/\?.*/, '')}`)
    agent.open.add(this)
    networkOf(agent.program.host.world).send(agent.program, method, path, body, answer => {
      if (answer instanceof Error) return this.fail(answer)
      if (!agent.open.delete(this)) return
      const headers = answer.index === null ? {} : { 'x-consul-index': answer.index }
      const response = Object.assign(new EventEmitter(), { statusCode: answer.status, headers, setEncoding() {} })
      this.emit('response', response)
      response.emit('data', answer.text)
      response.emit('end')
    })
  }

  destroy(): void {
    this.#options.agent.open.delete(this)
  }

  fail(error: Error): void {
    if (this.#options.agent.open.delete(this)) this.emit('error', error)
  }
}

export function request(options: Options): ClientRequest {
  return new ClientRequest(options)
}
