/** The partitions of a definition file: written down there, or fetched from where they are kept. */
import * as z from 'zod/mini'
import { duration } from '../base/clock.ts'
import { mostIds, signals, sourceKinds } from './definition.ts'
import {
  about,
  command,
  durationText,
  fields,
  give,
  giveUnseen,
  idList,
  idRange,
  passableText,
  pointer,
  variableName,
} from './fields.ts'

const kinds = ['range', 'list', 'count', 'byHand', ...sourceKinds] as const
const oneOf = `one of ${kinds.map(name => `"${name}"`).join(', ')}`
const countWanted = give('a whole number of at least 1, or {"env": "NAME"}')
/** Of one fetch, ms: the program that makes it does not live for ever. */
const longestTimeout = 300_000
const pathWanted = give('an absolute path')
const urlWanted = giveUnseen('an http:// or https:// URL without a user in it')
const headersWanted = giveUnseen('an object: each value a string, or {"file": "/absolute/path"}')
const methodWanted = give('one of GET, POST, PUT')
const dropWanted = give('a percentage such as "50%", up to "100%"')
const everyWords = 'a duration of at least "1s", or "never"'
const onChangeWanted = give('"restart", or a signal such as SIGHUP')

function path() {
  return passableText().check(z.regex(/^\//, pathWanted))
}

function isUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}

const http = fields({
  url: about(
    z.string(urlWanted).check(z.refine(isUrl, urlWanted)),
    'Where the list is.',
    'https://api.example.com/links',
  ),
  method: z.optional(about(z.enum(['GET', 'POST', 'PUT'], methodWanted), 'GET when it is left out.')),
  headers: z.optional(
    about(
      z.record(
        z.string().check(z.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)),
        z.union([
          z.string().check(z.regex(/^[\t\x20-\x7e\x80-\xff]*$/)),
          fields({ file: about(path(), 'A file that holds the value, read at each fetch: a secret stands there.') }),
        ]),
        headersWanted,
      ),
      'Headers of the request.',
      { authorization: { file: '/etc/consumer-token' } },
    ),
  ),
  body: z.optional(about(z.string(giveUnseen('a string')), 'The body of a POST or PUT.')),
  tls: z.optional(
    about(
      fields({
        ca: z.optional(about(path(), 'Whom to trust instead of those that Node knows: a PEM file.')),
        cert: z.optional(about(path(), 'The client certificate: a PEM file.')),
        key: z.optional(about(path(), 'Its key: a PEM file.')),
        serverName: z.optional(about(passableText(), 'The name in the certificate, when it is not that of the URL.')),
      }),
      'How to speak to an https:// URL.',
    ),
  ),
})

const ownSet = {
  range: z.optional(
    about(idRange(), 'Consecutive numbers as ids: the first and the last one, both included.', [0, 15]),
  ),
  list: z.optional(about(idList(), 'Ids by name, each 1 to 200 bytes long in its key.', ['eu', 'us'])),
  count: z.optional(
    about(
      z.union(
        [
          z.int(countWanted).check(z.gte(1, countWanted), z.lte(mostIds, countWanted)),
          fields({ env: about(variableName(), 'The variable that holds the number when configure runs.') }),
        ],
        countWanted,
      ),
      'So many, from 0 on: a number, or the variable that holds it when configure runs.',
      { env: 'KAFKA_PARTITION_COUNT' },
    ),
  ),
  byHand: z.optional(
    about(
      z.literal(true, give('true')),
      'None from here: people add them with "watchbill partitions", or programs with watchbill/client.',
    ),
  ),
}

const from = {
  file: z.optional(about(path(), 'A file that holds them; looked at every interval.', '/etc/tenants.json')),
  http: z.optional(about(http, 'A server that answers with them; its ETag and Last-Modified count.')),
  command: z.optional(about(command(), 'A program that prints them; there is no shell.', ['./list-tenants'])),
  module: z.optional(
    about(
      path(),
      'A JavaScript or TypeScript module that exports fetch(), and may export setup() and tearDown(), run in a process ' +
        'of its own each time.',
      '/srv/tenants.ts',
    ),
  ),
}

/** What only a set that is fetched has. */
const ofSources = {
  format: z.optional(
    about(
      z.enum(['json', 'lines'], give('"json" or "lines"')),
      'What a file, an answer or a program holds: "json" (the default), or one id on each line.',
    ),
  ),
  items: z.optional(
    about(
      pointer(),
      'A JSON pointer to the array; "/data" for http, otherwise all of it, when it is left out.',
      '/data',
    ),
  ),
  id: z.optional(
    about(pointer(), 'A JSON pointer to the id in an item that is an object; "/id" when it is left out.', '/id'),
  ),
  every: z.optional(
    about(
      z.union([z.literal('never'), durationText(1000, everyWords)], give(everyWords)),
      'How often it is fetched; "30s" when it is left out. "never": once, and when somebody asks by partitions sync.',
      '30s',
      'never',
    ),
  ),
  jitter: z.optional(
    about(durationText(0), 'At most so much earlier, by chance; a tenth of "every" when it is left out.', '3s'),
  ),
  timeout: z.optional(
    about(durationText(100), 'How long a fetch may take; "10s" when it is left out, at most "5m".', '10s'),
  ),
  retry: z.optional(
    about(
      durationText(100),
      'When a fetch that failed is tried again; each further time after twice as long, at most "every". "1s" when it is ' +
        'left out.',
      '1s',
    ),
  ),
  giveUpAfter: z.optional(
    about(
      durationText(0),
      'After failing for so long, status says why and the hook sourceFailed is run; it is still fetched every interval. ' +
        '"2m" when it is left out.',
      '2m',
    ),
  ),
  maxDrop: z.optional(
    about(
      z.string(dropWanted).check(z.regex(/^(100|\d{1,2})%$/, dropWanted)),
      'An answer that lacks more than this of a set larger than 10 is refused; "50%" when it is left out.',
      '50%',
    ),
  ),
  removes: z.optional(
    about(
      z.boolean(give('true or false')),
      'Whether partitions that it lacks go; true when it is left out. With false it only adds.',
      false,
    ),
  ),
  // biome-ignore lint/suspicious/noThenProperty: it is a string, which makes no promise of its object
  then: z.optional(
    about(
      z.literal('drain', give('"drain"')),
      'After giveUpAfter the instance that fetches is drained, and another one fetches; when it is left out it goes on.',
      'drain',
    ),
  ),
  config: z.optional(
    about(z.unknown(), 'module: what its functions get, any JSON.', { url: 'https://api.example.com', pageSize: 100 }),
  ),
}

/** Where the set comes from, and what is done when the document of a partition changes. */
export function partitions() {
  const isSource = (given: object) => sourceKinds.some(name => name in given)
  return fields(
    {
      ...ownSet,
      ...from,
      ...ofSources,
      onChange: z.optional(
        about(
          z.enum(['restart', ...signals], onChangeWanted),
          'What a process is told when its document changed: "restart", or a signal. The hook is called "changed".',
          'SIGHUP',
        ),
      ),
    },
    oneOf,
  ).check(
    z.meta({ oneOf: kinds.map(name => ({ required: [name] })) }),
    z.superRefine((given, found) => {
      const problem = (message: string, ...path: string[]) => found.addIssue({ code: 'custom', path, message })
      const there = kinds.filter(name => name in given)
      if (there.length === 0) problem(`is empty; give ${oneOf}`)
      if (there.length > 1) problem(`has ${there.join(' and ')}; give ${oneOf}`)
      const stray = Object.keys(ofSources).find(name => name in given)
      if (there.length === 1 && stray !== undefined && !isSource(given)) {
        problem(
          `is only for a set that is fetched: with ${sourceKinds.map(name => `"${name}"`).join(', ')}; remove it`,
          stray,
        )
      }
      const { http, module, config, every = '30s', jitter = '0s', timeout = '10s' } = given
      if ((duration(timeout) ?? 0) > longestTimeout) problem('is more than "5m"; lower it', 'timeout')
      if (config !== undefined && module === undefined) problem('is only for a module; remove it', 'config')
      if (every === 'never' && given.jitter !== undefined)
        problem('goes with an interval, not with "never"; remove it', 'jitter')
      else if ((duration(jitter) ?? 0) > (duration(every) ?? 0))
        problem(`is more than every, "${every}"; lower it`, 'jitter')
      if (http?.body !== undefined && (http.method ?? 'GET') === 'GET') {
        problem('is not sent with GET; give "method": "POST"', 'http', 'body')
      }
      if ((http?.tls?.cert === undefined) !== (http?.tls?.key === undefined)) {
        problem('has only one of "cert" and "key"; give both', 'http', 'tls')
      }
    }),
  )
}
