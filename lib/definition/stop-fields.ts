/** The field `stop`: how a process is stopped. */
import * as z from 'zod/mini'
import { signals } from './definition.ts'
import { about, command, durationText, fields, give } from './fields.ts'

const signalWanted = give('a signal that ends a process, such as SIGTERM, SIGINT or SIGKILL')

export const stop = z.prefault(
  fields({
    signal: about(z._default(z.enum(signals, signalWanted), 'SIGTERM'), 'The signal that asks a process to stop.'),
    grace: about(
      z._default(durationText(0), '3s'),
      'How long a process may take to stop before SIGKILL. After a failure other instances wait this much longer ' +
        'before a takeover.',
      '3s',
      '500ms',
    ),
    command: z.optional(
      about(
        command(),
        'Run first to stop a process, with the placeholders of run.command; the signal and SIGKILL follow if it ' +
          'does not stop it.',
        ['./drain', '{partition}'],
      ),
    ),
    gone: z.optional(
      about(
        command(),
        'For work outside the process, such as a container: only exit 0 means that the work is gone. Until then ' +
          'the partition is neither given back nor started.',
        ['./container-gone', '{partition}'],
      ),
    ),
  }),
  {},
)
