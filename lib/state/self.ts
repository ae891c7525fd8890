/** What every step of acting works with: this instance, its files, its Consul, its log. */
import type { Consul } from '../consul/http.ts'
import type { InstanceFiles } from './paths.ts'

export interface Context {
  readonly consul: Consul
  readonly instance: string
  readonly node: string
  /** The Consul service id. */
  readonly serviceId: string
  readonly files: InstanceFiles
  /** One line to the instance's log. */
  readonly log: (line: string) => void
}

export interface ThisInstance {
  readonly instance: string
  readonly node: string
  readonly service: string
  readonly serviceId: string
  readonly definitionFile: string
  readonly files: InstanceFiles
}
