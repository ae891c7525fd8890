/** What a button does: the same functions as the program of its name, whose lines it gives. */
import type { z } from 'zod'
import type { Consul } from '../consul/http.ts'

export interface Act<Args> {
  readonly name: string
  /** What it does, in a sentence, for the OpenAPI description. */
  readonly about: string
  readonly args: z.ZodType<Args>
  /** The same on the command line. */
  readonly command: (args: Args) => string
  /**
   * @param dryRun it changes nothing, and says what it would do
   * @param say tells meanwhile what it waits for
   * @returns the lines that the program prints
   */
  readonly run: (consul: Consul, args: Args, dryRun: boolean, say: (line: string) => void) => Promise<string[]>
}

/** Forgets which arguments an act has, so that all can stand in one list. */
export function act<Args>(one: Act<Args>): Act<unknown> {
  return one as Act<unknown>
}
