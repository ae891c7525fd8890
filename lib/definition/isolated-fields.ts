/** The fields of a definition file that say what happens while a machine is cut off: see docs/cut-off.md. */
import * as z from 'zod/mini'
import { about, give } from './fields.ts'

export const isolated = {
  whenIsolated: z.optional(
    about(
      z.enum(['stop', 'keep'], give('"stop" or "keep"')),
      'What happens while this machine is cut off from Consul. "stop": all processes end with their lease. "keep": they go ' +
        'on, although others take over, so that a partition may run twice until the machine is back.',
      'keep',
    ),
  ),
}
