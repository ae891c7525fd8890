/** A node that was renamed after `configure`. A file of its own, so that its readers load nothing else. */
import { Permanent } from '../base/errors.ts'

/**
 * The agent has another node name than the one this instance is configured for. Consul creates a session on the agent's own
 * node, so that it could never count as this instance's session.
 */
export class Misplaced extends Permanent {
  readonly realNode: string

  constructor(instance: string, configured: string, realNode: string) {
    const what = `it is configured for ${configured}, and this node is ${realNode}`
    super(`cannot take part as ${instance}: ${what}; run configure, then consul reload`)
    this.realNode = realNode
  }
}

/** The node's real name, if the error is a Misplaced; null otherwise. Known by its field, not its class: see `notStopped`. */
export function realNodeIn(error: unknown): string | null {
  return error instanceof Error && 'realNode' in error ? String(error.realNode) : null
}
