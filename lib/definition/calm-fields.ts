/** The fields of a definition file that say how calm a service is: when partitions wait, and how many move at a time. */
import * as z from 'zod/mini'
import { duration } from '../base/clock.ts'
import { about, durationText, fields, give } from './fields.ts'

const waitWanted = give('a duration such as "2m", up to "1h"')
const atOnceWanted = give('a whole number of at least 1')
const lostWanted = give('a percentage such as "60%", from "1%" to "99%"')

/** The longest `wait`, ms: a partition must not be without an owner for ever because of a typing mistake. */
export const longestAway = 3_600_000

export const settle = () => durationText(0, 'a duration such as "30s"')

export const calm = {
  wait: z.optional(
    about(
      durationText(0).check(z.refine(text => (duration(text) ?? 0) <= longestAway, waitWanted)),
      'How long the others leave alone what this instance held when it disappeared; it keeps its share meanwhile. Void after ' +
        'leave, drain and evict. Left out: until the takeover wait is over.',
      '2m',
    ),
  ),
  moves: z.optional(
    about(
      fields({
        atOnce: about(
          z.int(atOnceWanted).check(z.gte(1, atOnceWanted)),
          'How many partitions may move for the sake of balance at the same time. Takeovers are not limited.',
          10,
        ),
      }),
      'How many partitions move at a time; no limit when left out.',
    ),
  ),
  back: z.optional(
    about(
      z.boolean(give('true or false')),
      'Whether an instance that was away gets partitions back from those that took them over; true when left out.',
      false,
    ),
  ),
  freeze: z.optional(
    about(
      fields({
        lost: about(
          z.string(lostWanted).check(z.regex(/^[1-9]\d?%$/, lostWanted)),
          'The service freezes when more than this share of its instances is lost.',
          '60%',
        ),
        settle: z.optional(
          about(settle(), 'How long enough of them must be back before the freeze ends; "30s" when left out.', '30s'),
        ),
      }),
      'When the service freezes by itself: the others take nothing from the lost ones. Never when left out.',
    ),
  ),
}
