/** What a program gets from, and gives to, `watchbill/worker`. */

/** One partition of the service, as this instance was given it. */
export interface Resource {
  readonly id: string
  /** Path of the file that holds its document; null when it has none. */
  readonly document: string | null
  /** Since when this instance has it, ISO 8601. */
  readonly since: string
}

export interface Held {
  /**
   * The fencing token: it grows with every acquisition of the resource, whoever makes it. Pass it to what you write to, and
   * have that refuse a lower one than it has seen.
   */
  readonly token: string
  /** Aborted as soon as the resource is to be given up. */
  readonly signal: AbortSignal
  /**
   * Says that the resource is at work, for a `handle` that goes on until the signal; one that returns or resolves says so by
   * that. It counts where the definition has `"ready": "confirm"`.
   */
  ready(): void
}

export interface Logger {
  info(message: string): void
  error(message: string): void
}

export interface Handler {
  /**
   * Begins to handle a resource: returns, or resolves, once that is set up, and leaves it at work; or resolves only when the
   * signal is aborted. One that fails is called again with back-off; others are not disturbed. After three failures in a row
   * `watchbill status` says why, until one succeeds, or lasts longer than the longest back-off.
   */
  handle(resource: Resource, held: Held): unknown
  /**
   * Ends that. It is called once `handle` is over, whether or not that succeeded; when it has resolved, nothing of the resource
   * may be at work any more, for another instance starts it then.
   */
  terminate?(resource: Resource): unknown
  /** `handle` failed; it is called again. */
  failed?(error: unknown, resource: Resource): unknown
  /**
   * `terminate` failed.
   * @returns true when the resource is given up all the same; otherwise `terminate` is called again with back-off, and the
   * whole process is stopped when the grace period is over
   */
  terminateFailed?(error: unknown, resource: Resource): boolean | Promise<boolean>
  /** The process ends: everything was terminated before. */
  stop?(): unknown
  /** Where it says what it does; the console unless given. */
  readonly logger?: Logger
  /** How many calls of `handle`, and as many of `terminate`, may be under way at a time; any number unless given. */
  readonly concurrency?: number
  /**
   * Back-off between two tries, ms: it doubles from `first` to `longest`, and begins again after a `handle` that lasted longer
   * than that; 100 and 30,000 unless given.
   */
  readonly retry?: { readonly first?: number; readonly longest?: number }
}

export interface Resources {
  /** The resources that are held now. */
  held(): Resource[]
  /**
   * Terminates everything and calls `stop`, as SIGTERM does, but lets the process live. Its instance takes no resource any more
   * from then on: it is drained, until `watchbill drain <service> <instance> off` hands what it is given to a new process.
   */
  close(): Promise<void>
}
