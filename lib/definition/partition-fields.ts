/** The partitions of a definition file: listed in the file, or fetched from a source. */
import * as z from 'zod/mini'
import { duration } from '../base/clock.ts'
import { settle } from './calm-fields.ts'
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

const kinds = ['range', 'list', 'count', 'percent', 'byHand', ...sourceKinds] as const
const oneOf = `one of ${kinds.map(name => `"${name}"`).join(', ')}`
const percentWanted = give('a number above 0 and up to 10000')
const ofWanted = give('"weight", or "meta." and the name of a number in the meta of the instances')
const countWanted = give('a whole number of at least 1, or {"env": "NAME"}')
/** The longest time limit of a fetch, ms: the program that fetches has a deadline of its own. */
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
    'The URL of the list.',
    'https://api.example.com/links',
  ),
  method: z.optional(about(z.enum(['GET', 'POST', 'PUT'], methodWanted), 'GET when it is left out.')),
  headers: z.optional(
    about(
      z.record(
        z.string().check(z.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)),
        z.union([
          z.string().check(z.regex(/^[\t\x20-\x7e\x80-\xff]*$/)),
          fields({ file: about(path(), 'A file that holds the value, read at each fetch; for secrets.') }),
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
        ca: z.optional(about(path(), 'The authorities to trust instead of those built into Node: a PEM file.')),
        cert: z.optional(about(path(), 'The client certificate: a PEM file.')),
        key: z.optional(about(path(), 'Its key: a PEM file.')),
        serverName: z.optional(
          about(passableText(), 'The name in the certificate, when it is not the host of the URL.'),
        ),
      }),
      'TLS settings for an https:// URL.',
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
      'How many partitions, numbered from 0: a number, or the variable that holds it when configure runs.',
      { env: 'KAFKA_PARTITION_COUNT' },
    ),
  ),
  percent: z.optional(
    about(
      z.number(percentWanted).check(z.gt(0, percentWanted), z.lte(10_000, percentWanted)),
      'How many partitions, numbered from 0: so many per cent of what "of" names, rounded up. It follows the members.',
      7,
    ),
  ),
  byHand: z.optional(
    about(
      z.literal(true, give('true')),
      'None here: people add partitions with "watchbill partitions", or programs with watchbill/client.',
    ),
  ),
}

const from = {
  file: z.optional(about(path(), 'A file with the partitions, checked at each interval.', '/etc/tenants.json')),
  http: z.optional(about(http, 'A server that answers with the partitions; ETag and Last-Modified are used.')),
  command: z.optional(
    about(command(), 'A program that prints the partitions, run without a shell.', ['./list-tenants']),
  ),
  module: z.optional(
    about(
      path(),
      'A JavaScript or TypeScript module that exports fetch(), and may export setup() and tearDown(), run in its own ' +
        'process at each fetch.',
      '/srv/tenants.ts',
    ),
  ),
}

/** Fields that only a percentage has. */
const ofPercent = {
  of: z.optional(
    about(
      z.string(ofWanted).check(z.regex(/^(weight|meta\.[A-Za-z0-9_-]{1,128})$/, ofWanted)),
      'What "percent" is a percentage of: the sum of the weights of the members ("weight", when left out), or of a number in ' +
        'their meta.',
      'weight',
      'meta.cores',
    ),
  ),
  settle: z.optional(
    about(
      settle(),
      'How long a change of the members must have stood before the number follows; "30s" when left out.',
      '30s',
    ),
  ),
}

/** Fields that only a fetched set has. */
const ofSources = {
  format: z.optional(
    about(
      z.enum(['json', 'lines'], give('"json" or "lines"')),
      'The format of the file, answer or output: "json" (the default), or "lines" with one id per line.',
    ),
  ),
  items: z.optional(
    about(
      pointer(),
      'A JSON pointer to the array; when left out, "/data" for http, otherwise the whole document.',
      '/data',
    ),
  ),
  id: z.optional(
    about(pointer(), 'A JSON pointer to the id in an item that is an object; "/id" when left out.', '/id'),
  ),
  every: z.optional(
    about(
      z.union([z.literal('never'), durationText(1000, everyWords)], give(everyWords)),
      'How often the set is fetched; "30s" when left out. "never": once, and on "watchbill partitions … sync".',
      '30s',
      'never',
    ),
  ),
  jitter: z.optional(
    about(
      durationText(0),
      'A fetch comes earlier by a random time up to this; a tenth of "every" when left out.',
      '3s',
    ),
  ),
  timeout: z.optional(about(durationText(100), 'How long a fetch may take; "10s" when left out, at most "5m".', '10s')),
  retry: z.optional(
    about(
      durationText(100),
      'The time until a failed fetch is tried again. It doubles with each failure, up to "every". "1s" when ' +
        'left out.',
      '1s',
    ),
  ),
  giveUpAfter: z.optional(
    about(
      durationText(0),
      'After failing for this long, status says why and the hook sourceFailed runs; fetching goes on at each ' +
        'interval. "2m" when left out.',
      '2m',
    ),
  ),
  maxDrop: z.optional(
    about(
      z.string(dropWanted).check(z.regex(/^(100|\d{1,2})%$/, dropWanted)),
      'An answer that would remove more than this share of a set larger than 10 is refused; "50%" when left out.',
      '50%',
    ),
  ),
  removes: z.optional(
    about(
      z.boolean(give('true or false')),
      'Whether partitions that the source no longer has are removed; true when left out. With false it only adds.',
      false,
    ),
  ),
  // biome-ignore lint/suspicious/noThenProperty: its value is a string, so the object is not a thenable
  then: z.optional(
    about(
      z.literal('drain', give('"drain"')),
      '"drain": after giveUpAfter the instance is drained, and another one fetches. Left out: it goes on.',
      'drain',
    ),
  ),
  config: z.optional(
    about(z.unknown(), 'Any JSON, passed to the functions of the module.', {
      url: 'https://api.example.com',
      pageSize: 100,
    }),
  ),
}

/** Where the partitions come from, and what happens when the document of a partition changes. */
export function partitions() {
  const isSource = (given: object) => sourceKinds.some(name => name in given)
  return fields(
    {
      ...ownSet,
      ...ofPercent,
      ...from,
      ...ofSources,
      onChange: z.optional(
        about(
          z.enum(['restart', ...signals], onChangeWanted),
          'What happens to a process when its document changed: "restart", or a signal. The hook "changed" runs in any ' +
            'case.',
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
      const alone = Object.keys(ofPercent).find(name => name in given)
      if (there.length === 1 && alone !== undefined && given.percent === undefined)
        problem('goes with "percent"; remove it', alone)
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
