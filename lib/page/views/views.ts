/** All views, in the order in which the description lists them. A new one is a file here, and a line. */
import type { View } from '../view.ts'
import { ask } from './ask.ts'
import { document, history } from './data.ts'
import { events } from './events.ts'
import { instance } from './instance.ts'
import { machine } from './machine.ts'
import { partition } from './partition.ts'
import { plan } from './plan.ts'
import { roll } from './roll.ts'
import { service } from './service.ts'
import { services } from './services.ts'

export const views: readonly View<unknown>[] = [
  ...[services, service, partition, instance, machine, plan, roll, ask, events],
  ...[history, document],
]
