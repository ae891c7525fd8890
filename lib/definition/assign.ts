/** The scheduler of a definition: what runs it, and what it can be asked. */

/** What may make a scheduler run, beside the time. */
export const triggers = ['members', 'partitions', 'settings', 'figures'] as const
export type Trigger = (typeof triggers)[number]

/** A scheduler: a program or a module of the user's that decides who has what. */
export type Assign = {
  readonly from:
    | { readonly kind: 'command'; readonly command: readonly string[] }
    | { readonly kind: 'module'; readonly path: string }
  readonly everyMs: number
  readonly timeoutMs: number
  readonly on: readonly Trigger[]
  /** The user that it runs as; left out for that of the agent. */
  readonly user?: string
  /** Without a good answer for so long its plan is withdrawn. */
  readonly giveUpAfterMs: number
  readonly actions: Actions
}

/** What people may ask of a scheduler, by name. Arguments: their names, and what they are. */
export type Actions = Readonly<
  Record<string, { readonly title: string; readonly arguments: Readonly<Record<string, string>> }>
>
