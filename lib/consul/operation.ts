/** One operation of a transaction, in the field names of Consul's API. */

export interface Operation {
  readonly Verb:
    | 'set'
    | 'cas'
    | 'lock'
    | 'unlock'
    | 'get'
    | 'get-tree'
    | 'check-index'
    | 'check-session'
    | 'check-not-exists'
    | 'delete'
    | 'delete-cas'
  readonly Key: string
  readonly Value?: string
  readonly Index?: number
  readonly Session?: string
}
