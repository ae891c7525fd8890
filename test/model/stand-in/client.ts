/** undici's client for the programs of the model: a request goes to the model of Consul over a virtual network. */

import { networkOf } from '../network.ts'
import { current, type Program } from '../program.ts'

interface Request {
  readonly method: string
  readonly path: string
  readonly body?: string
}

interface Handlers {
  onRequestStart(controller: { abort(error: Error): void }): void
  onResponseStart(controller: unknown, status: number, headers: Record<string, string>): void
  onResponseData(controller: unknown, chunk: Buffer): void
  onResponseEnd(controller: unknown): void
  onResponseError(controller: unknown, error: Error): void
}

export default class Client {
  readonly #program: Program = current()
  readonly #open = new Set<(error: Error) => void>()

  dispatch({ method, path, body = '' }: Request, handlers: Handlers): void {
    const program = this.#program
    program.effect(`${method} ${path.replace(/\?.*/, '')}`)
    let open = true
    const fail = (error: Error) => {
      if (!open) return
      open = false
      this.#open.delete(fail)
      handlers.onResponseError(null, error)
    }
    this.#open.add(fail)
    handlers.onRequestStart({ abort: fail })
    networkOf(program.host.world).send(program, method, path, body, answer => {
      if (!open) return
      if (answer instanceof Error) return fail(answer)
      open = false
      this.#open.delete(fail)
      handlers.onResponseStart(null, answer.status, answer.index === null ? {} : { 'x-consul-index': answer.index })
      handlers.onResponseData(null, Buffer.from(answer.text))
      handlers.onResponseEnd(null)
    })
  }

  /** What it still waits for fails; what was sent is on its way all the same. */
  async destroy(): Promise<void> {
    for (const fail of [...this.#open]) fail(new Error('The client is destroyed'))
  }
}
