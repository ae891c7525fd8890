/** The fields of `run` that limit a process: who it runs as, and how much it may use. */
import * as z from 'zod/mini'
import { quantity } from '../base/quantity.ts'
import { about, fields, give, giveUnseen, passableText } from './fields.ts'
import { leastMemory, limitModes, ulimits } from './limits.ts'

const nameWanted = give('the name of one on this machine: letters, digits, _ . -, the first a letter or _')
const umaskWanted = give('three or four octal digits as text, such as "0027"')
const niceWanted = give('a whole number from -20 to 19')
const ulimitWanted = give('a whole number of at least 0, or "unlimited"')
const memoryWanted = give('an amount of at least "1MB", such as "100MB" or "2GiB"')
const cpuWanted = give('a number of processors from 0.01 to 1024')
const pidsWanted = give('a whole number of at least 1')
const pathWanted = give('an absolute path without "..", and not "/" for a private one')
const pathsWanted = giveUnseen('an array of absolute paths')
const modeWanted = give(limitModes.map(mode => `"${mode}"`).join(' or '))

function account() {
  return z.string(nameWanted).check(z.regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, nameWanted))
}

const ulimitWords: Readonly<Record<(typeof ulimits)[number], string>> = {
  nofile: 'Open files.',
  nproc: 'Processes and threads of its user, all told; root has no such limit.',
  core: 'The size of a core file, bytes.',
  fsize: 'The size of a file that it writes, bytes.',
  data: 'Its own memory, bytes.',
  stack: 'The stack, bytes.',
  as: 'Its address space, bytes; many programs reserve far more than they use.',
  cpu: 'Processor time, seconds: then SIGXCPU.',
  memlock: 'Locked memory, bytes.',
}

function ulimit(name: (typeof ulimits)[number]) {
  const number = z.int(ulimitWanted).check(z.gte(0, ulimitWanted))
  return z.optional(about(z.union([number, z.literal('unlimited', ulimitWanted)], ulimitWanted), ulimitWords[name]))
}

function memory() {
  const isEnough = (amount: number | null) => amount !== null && amount >= leastMemory && amount <= 2 ** 52
  const text = z.string(memoryWanted).check(z.refine(value => isEnough(quantity(value)), memoryWanted))
  const number = z.number(memoryWanted).check(z.refine(isEnough, memoryWanted))
  return z.union([number, text], memoryWanted)
}

function paths(isPath: (path: string) => boolean) {
  const path = passableText().check(z.regex(/^\/[^\n]*$/, pathWanted), z.refine(isPath, pathWanted))
  return z.array(path, pathsWanted).check(z.minLength(1, pathsWanted))
}

function isPlain(path: string): boolean {
  return path.split('/').every(part => part !== '..' && part !== '.')
}

export const limitFields = {
  user: z.optional(
    about(
      account(),
      'The user that every command of this definition runs as; the user of the agent when left out. Another user takes ' +
        'an agent that is root.',
      'consumer',
    ),
  ),
  group: z.optional(about(account(), 'The group; the first group of the user when left out.', 'consumer')),
  umask: z.optional(
    about(
      z.string(umaskWanted).check(z.regex(/^[0-7]{3,4}$/, umaskWanted)),
      'Which permissions new files do not get.',
      '0027',
    ),
  ),
  nice: z.optional(
    about(
      z.int(niceWanted).check(z.gte(-20, niceWanted), z.lte(19, niceWanted)),
      'Lets others go first (up to 19), or is to go first itself (down to -20).',
      10,
    ),
  ),
  ulimit: z.optional(
    about(
      fields(Object.fromEntries(ulimits.map(name => [name, ulimit(name)])) as Record<(typeof ulimits)[number], Ulimit>),
      'Limits of each process, soft and hard, by the names of /etc/security/limits.conf; sizes in bytes.',
      { nofile: 4096, core: 0 },
    ),
  ),
  memory: z.optional(
    about(
      memory(),
      'The most memory of a partition. The kernel kills what takes more, and only of this partition.',
      '100MB',
    ),
  ),
  cpu: z.optional(
    about(
      z.number(cpuWanted).check(z.gte(0.01, cpuWanted), z.lte(1024, cpuWanted)),
      'How many processors a partition may use, such as 0.5.',
      0.5,
    ),
  ),
  pids: z.optional(
    about(
      z.int(pidsWanted).check(z.gte(1, pidsWanted), z.lte(4_194_304, pidsWanted)),
      'How many processes and threads a partition may have.',
      50,
    ),
  ),
  readOnly: z.optional(
    about(paths(isPlain), 'Directories in which the commands can change nothing.', ['/usr', '/srv/models']),
  ),
  private: z.optional(
    about(
      paths(path => isPlain(path) && !/^\/+$/.test(path)),
      'Directories that are empty at each start, that nobody else sees, and that are gone afterwards.',
      ['/tmp'],
    ),
  ),
  limits: z.optional(
    about(
      z.enum(limitModes, modeWanted),
      '"strict": nothing is started where one of these cannot be kept. "best-effort": it is started without that one.',
      'best-effort',
    ),
  ),
}

type Ulimit = ReturnType<typeof ulimit>
