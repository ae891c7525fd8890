/** This instance: its name, and what its programs need while they run. */
import type { Consul } from '../consul/http.ts'
import type { InstanceFiles } from './paths.ts'

export interface Self {
  /** `<node>:<service id>` */
  readonly instance: string
  readonly node: string
  readonly service: string
  /** The Consul service id. */
  readonly serviceId: string
  readonly definitionFile: string
  readonly files: InstanceFiles
}

/** One run of one program of the instance. */
export interface Run extends Self {
  readonly consul: Consul
  /** Writes one line to the instance's log. */
  readonly log: (line: string) => void
}
