/** The types of `watchbill/worker`. */

/** One partition of the service that this instance was given. */
export interface Resource {
  readonly id: string
  /** Path of the file that holds its document; null when it has none. */
  readonly document: string | null
  /** When this instance acquired it, ISO 8601. */
  readonly since: string
}

export interface Held {
  /**
   * The fencing token: it grows with every acquisition of the resource by any instance. Pass it along with every write, and
   * have the store refuse a lower token than it has seen.
   */
  readonly token: string
  /** Aborted as soon as the resource must be given up. */
  readonly signal: AbortSignal
  /**
   * Reports that the resource is at work, for a `handle` that runs until the signal. A `handle` that returns or resolves
   * reports it that way. Used only when the definition has `"ready": "confirm"`.
   */
  ready(): void
}

export interface Logger {
  info(message: string): void
  error(message: string): void
}

export interface Handler {
  /**
   * Begins to handle a resource. It may return or resolve once the work is set up and goes on by itself, or resolve only when
   * the signal is aborted. A call that fails is repeated with back-off, without disturbing other resources. After three
   * failures in a row `watchbill status` shows the reason, until a call succeeds or lasts longer than the longest back-off.
   */
  handle(resource: Resource, held: Held): unknown
  /**
   * Ends the work on a resource. It is called once `handle` is over, also after a failure. When it has resolved, no work on the
   * resource may go on: another instance starts it then.
   */
  terminate?(resource: Resource): unknown
  /** Called when `handle` failed; `handle` is then called again. */
  failed?(error: unknown, resource: Resource): unknown
  /**
   * Called when `terminate` failed.
   * @returns true to count the resource as terminated; otherwise `terminate` is called again with back-off, and the whole
   * process is stopped when the grace period is over
   */
  terminateFailed?(error: unknown, resource: Resource): boolean | Promise<boolean>
  /** Called before the process ends, after every resource was terminated. */
  stop?(): unknown
  /** For log lines; the console by default. */
  readonly logger?: Logger
  /** How many calls of `handle`, and as many of `terminate`, may run at a time; no limit by default. */
  readonly concurrency?: number
  /**
   * Back-off between two tries, ms: it doubles from `first` to `longest`, and starts at `first` again after a `handle` that
   * lasted longer than `longest`. 100 and 30,000 by default.
   */
  readonly retry?: { readonly first?: number; readonly longest?: number }
}

export interface Resources {
  /** The resources that are held now. */
  held(): Resource[]
  /**
   * Terminates every resource and calls `stop`, as SIGTERM does, but lets the process live. From then on its instance is
   * drained and takes no resource, until `watchbill drain <service> <instance> off`; then a new process gets the resources.
   */
  close(): Promise<void>
}
