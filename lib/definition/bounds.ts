/**
 * /etc/watchbill/limits.json: what any definition on this machine may say. The file is root's, so that who may edit a
 * definition, or write into Consul, runs no command line that root has not allowed. What it does not name is not bounded.
 */
import * as z from 'zod/mini'
import { Permanent } from '../base/errors.ts'
import { quantity } from '../base/quantity.ts'
import { fields, give, giveUnseen } from './fields.ts'
import { jsonFault } from './json.ts'
import { firstOf } from './problems.ts'
import { fileShown } from './wording.ts'

export interface Bounds {
  readonly users?: readonly string[]
  readonly groups?: readonly string[]
  /** The lowest. */
  readonly nice?: number
  /** Directories of programs, modules and working directories, each with a slash at its end. */
  readonly programs?: readonly string[]
  /** Command lines by the name of the service; those of "*" are for every service. */
  readonly commands?: Readonly<Record<string, readonly (readonly string[])[]>>
  /** Patterns of names of variables. */
  readonly env?: readonly string[]
  /** Directories of the files that watchbill itself reads or writes for a definition, each with a slash at its end. */
  readonly files?: readonly string[]
  readonly ports?: readonly (readonly [number, number])[]
  /** Of all services on this machine together: bytes, processors, processes. */
  readonly memory?: number
  readonly cpu?: number
  readonly pids?: number
}

const listWanted = giveUnseen('an array of strings')
const directoryWanted = give('an absolute path without ".." such as "/usr/local/lib/consumer"')
const linesWanted = giveUnseen(
  'an array of command lines, each an array of patterns, such as [["/usr/bin/consume", "*"]]',
)
const commandsWanted = giveUnseen('an object: command lines for the name of each service, or "*"')
const portWanted = give('a port, or a range of ports such as "9000-9100"')
const memoryWanted = give('an amount such as "8GiB"')
const niceWanted = give('a whole number')
const cpuWanted = give('a number above 0')
const pidsWanted = give('a whole number of at least 1')

const names = () => z.optional(z.array(z.string(give('a string')).check(z.minLength(1, give('a name'))), listWanted))

function directories() {
  const isPlain = (path: string) => path.startsWith('/') && path.split('/').every(part => part !== '..' && part !== '.')
  return z.optional(z.array(z.string(directoryWanted).check(z.refine(isPlain, directoryWanted)), listWanted))
}

const line = z.array(z.string(give('a string')), linesWanted).check(z.minLength(1, linesWanted))
const memory = z.union([z.number(memoryWanted), z.string(memoryWanted)], memoryWanted)

const schema = fields({
  users: names(),
  groups: names(),
  nice: z.optional(z.int(niceWanted)),
  programs: directories(),
  commands: z.optional(z.record(z.string(), z.array(line, linesWanted), commandsWanted)),
  env: names(),
  files: directories(),
  ports: z.optional(
    z.array(
      z
        .union([z.int(portWanted), z.string(portWanted)], portWanted)
        .check(z.refine(of => range(of) !== null, portWanted)),
      giveUnseen('an array of ports'),
    ),
  ),
  memory: z.optional(memory.check(z.refine(of => (amount(of) ?? 0) > 0, memoryWanted))),
  cpu: z.optional(z.number(cpuWanted).check(z.gt(0, cpuWanted))),
  pids: z.optional(z.int(pidsWanted).check(z.gte(1, pidsWanted))),
})

/** @throws Permanent with one line that names the file and the field */
export function boundsIn(text: string, file: string): Bounds {
  const fault = jsonFault(text)
  if (fault) throw refused(file, `line ${fault.line}, column ${fault.column}: ${fault.problem}`)
  const result = schema.safeParse(JSON.parse(text))
  if (!result.success) throw refused(file, firstOf(result.error.issues))
  const { programs, files, ports, memory, ...rest } = result.data
  const bounds = {
    ...rest,
    ...(programs && { programs: programs.map(withSlash) }),
    ...(files && { files: files.map(withSlash) }),
    ...(ports && { ports: ports.map(of => range(of) as [number, number]) }),
    ...(memory !== undefined && { memory: amount(memory) as number }),
  }
  return bounds as Bounds
}

export function refused(file: string, problem: string): Permanent {
  return new Permanent(`cannot use the limits ${fileShown(file)}: ${problem}`)
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

function amount(of: number | string): number | null {
  return typeof of === 'number' ? of : quantity(of)
}

function range(of: number | string): [number, number] | null {
  const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(of)) ?? []
  const [from, to] = [Number(first), Number(last)]
  return first !== '' && from >= 1 && from <= to && to <= 65_535 ? [from, to] : null
}
