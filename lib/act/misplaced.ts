/** A node that was renamed after `configure`; apart, so that who only asks for it loads nothing else. */
import { Permanent } from '../base/errors.ts'

/**
 * The agent has another node name than the one this instance is configured for. A session lives on the agent's own node,
 * so that it could never be taken for the instance's.
 */
export class Misplaced extends Permanent {
  readonly realNode: string

  constructor(instance: string, configured: string, realNode: string) {
    const what = `it is configured for ${configured}, and this node is ${realNode}`
    super(`cannot take part as ${instance}: ${what}; run configure, then consul reload`)
    this.realNode = realNode
  }
}

/** The node's real name, if an error says so; null when it is about something else. By its shape: see `notStopped`. */
export function realNodeIn(error: unknown): string | null {
  return error instanceof Error && 'realNode' in error ? String(error.realNode) : null
}
