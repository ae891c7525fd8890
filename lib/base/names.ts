/**
 * One name, three forms: the id people write, the Consul key segment, the file name. Key and file name are the same.
 */
import { Permanent } from './errors.ts'

const longest = 200
// Letters and digits of any script, and characters that are harmless both in a key and in a file name.
const raw = /[\p{L}\p{N}_.:-]/u
/** What is written as it is, and needs no look at each character. */
const plain = /^[\w:-][\w.:-]*$/

function percent(character: string): string {
  return Array.from(Buffer.from(character), byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

/**
 * Encodes an id for use as one segment of a Consul key and as a file name. A leading dot is encoded too: Consul
 * redirects a key that ends in `/..` to its parent (seen on 1.8.7).
 * @throws Permanent when the id is empty, is not well-formed Unicode, holds control characters, or takes more than 200
 * bytes encoded.
 */
export function encode(id: string): string {
  if (id.length <= longest && plain.test(id)) return id
  if (!id.isWellFormed() || /\p{Cc}/u.test(id)) {
    throw new Permanent(`cannot use the id ${JSON.stringify(id)}: it holds control characters or broken Unicode`)
  }
  return segment('id', id)
}

function segment(what: string, id: string): string {
  let encoded = ''
  for (const character of id) encoded += raw.test(character) ? character : percent(character)
  if (encoded.startsWith('.')) encoded = `%2E${encoded.slice(1)}`
  const bytes = Buffer.byteLength(encoded)
  if (bytes === 0 || bytes > longest) {
    throw new Permanent(
      `cannot use the ${what} ${JSON.stringify(id)}: it takes ${bytes} bytes encoded; use 1 to ${longest} bytes`,
    )
  }
  return encoded
}

/**
 * The id of a key segment or file name. Null when `encode` could not have written it: then it is a foreign key below
 * our prefix, and not a partition.
 */
export function decode(encoded: string): string | null {
  if (encoded.length <= longest && plain.test(encoded)) return encoded
  try {
    const id = decodeURIComponent(encoded)
    return encode(id) === encoded ? id : null
  } catch {
    return null
  }
}

/**
 * Why agents from Consul 1.22 on refuse a key; null when every version takes it. The rule is repeated here because such
 * an agent refuses a whole transaction for one key and does not say for which. The rule also applies to the
 * percent-decoded key: `tenant%20one` and `%2E.` are refused, `a%2Fb` is not (read from the sources of 1.23.0-dev).
 */
export function keyRefusal(key: string): string | null {
  if (plainKey.test(key) && !key.includes('..')) return null
  if (key.startsWith('/')) return 'a leading slash'
  if (/^[\s\u0085]|[\s\u0085]$/.test(key)) return 'a space'
  if (key.split('/').includes('..')) return '".."'
  const decoded = percentDecoded(key)
  if (decoded === key) return null
  if (/[\s\u0085]/.test(decoded)) return 'a space'
  return decoded.includes('..') ? '".."' : null
}

/** Without anything that the rule is about, but for the dots. */
const plainKey = /^[\w.:-][\w.:/-]*$/

/** Decodes as Go does: a text with one invalid percent escape is not decoded at all. */
function percentDecoded(key: string): string {
  if (!key.includes('%') || /%(?![\da-f]{2})/i.test(key)) return key
  try {
    return decodeURIComponent(key)
  } catch {
    // Not UTF-8. A byte above ASCII that is not part of a character is neither a space nor a dot.
    return key.replace(/%([\da-f]{2})/gi, (_, hex) => {
      const byte = Number.parseInt(hex, 16)
      return byte < 0x80 ? String.fromCharCode(byte) : '\ufffd'
    })
  }
}

/**
 * Why some version of Consul cannot take a partition with this id, in words; null when all can. Only new partitions are
 * refused for it. Existing ones keep their keys: a second encoding of the same id would be a second lock, which an
 * older release in the cluster does not know.
 */
export function idRefusal(keys: Pick<Keys, 'partition'>, id: string): string | null {
  return keyRefusal(keys.partition(id))
}

/** A similar id that every version takes. */
export function safeId(id: string): string {
  const close = id.replace(/[^\p{L}\p{N}_.:-]+/gu, '-').replace(/\.{2,}/g, '.')
  return close.replace(/^[.-]+|-+$/g, '') || 'partition'
}

/** The Consul keys of one service, without a leading slash. `root` ends with a slash. */
export function keysOf(service: string) {
  const root = `watchbill/${encode(service)}/`
  return {
    root,
    partitions: `${root}partition/`,
    partition: (id: string) => `${root}partition/${encode(id)}`,
    spec: `${root}spec/`,
    revision: `${root}spec/revision`,
    settings: `${root}spec/settings`,
    placement: `${root}spec/placement`,
    traits: `${root}trait/`,
    trait: (id: string) => `${root}trait/${encode(id)}`,
    traitsOf: `${root}traits`,
    terms: `${root}spec/terms`,
    joined: `${root}spec/joined`,
    look: `${root}spec/look`,
    documents: `${root}spec/documents`,
    sync: `${root}spec/sync`,
    number: `${root}spec/number`,
    freeze: `${root}spec/freeze`,
    locks: `${root}lock/`,
    lock: (id: string) => `${root}lock/${encode(id)}`,
    restarts: `${root}restart/`,
    restart: (id: string) => `${root}restart/${encode(id)}`,
    coolDowns: `${root}cooldown/`,
    coolDown: (id: string) => `${root}cooldown/${encode(id)}`,
    duties: `${root}duty/`,
    duty: (name: string) => `${root}duty/${encode(name)}`,
    proposals: `${root}proposal/`,
    proposal: (instance: string) => `${root}proposal/${encode(instance)}`,
    tellings: `${root}telling/`,
    telling: (id: string, token: string) => `${root}telling/${encode(id)}/${encode(token)}`,
    // With the trailing slash: a watch on the prefix wake/a-1 would also fire for a-10.
    wake: (instance: string) => `${root}wake/${encode(instance)}/`,
    events: `${root}event/`,
    event: (id: string) => `${root}event/${encode(id)}`,
    wakes: (instance: string) => ['released', 'restart'].map(name => `${root}wake/${encode(instance)}/${name}`),
    members: `${root}member/`,
    member: (instance: string) => `${root}member/${encode(instance)}`,
    reports: `${root}report/`,
    report: (instance: string) => `${root}report/${encode(instance)}`,
  }
}

export type Keys = ReturnType<typeof keysOf>

/** The prefix of the locks of `watchbill lock`. */
export const locksRoot = 'watchbill/.lock/'

/**
 * The Consul keys of one lock of `watchbill lock`. No service can have the name `.lock`: its leading dot would be
 * encoded.
 * @param name any characters. @throws Permanent when it is empty, or takes more than 200 bytes encoded
 */
export function lockKeysOf(name: string) {
  const root = `${locksRoot}${segment('lock name', name)}/`
  return { root, spec: `${root}spec`, slots: `${root}slot/`, slot: (number: number) => `${root}slot/${number}` }
}

export type LockKeys = ReturnType<typeof lockKeysOf>

/** The name of the lock that has this key segment; null when `lockKeysOf` could not have written it. */
export function lockNameFrom(encoded: string): string | null {
  try {
    const name = decodeURIComponent(encoded)
    return segment('lock name', name) === encoded ? name : null
  } catch {
    return null
  }
}

/** The name of an instance: the Consul node and the service id. */
export function instanceName(node: string, serviceId: string): string {
  return `${node}:${serviceId}`
}

/** Splits at the last colon: the node's name may hold colons, a service id may not. */
export function partsOf(instance: string): { node: string; serviceId: string } {
  const colon = instance.lastIndexOf(':')
  if (colon <= 0 || colon === instance.length - 1) {
    throw new Permanent(`cannot use the instance ${JSON.stringify(instance)}: give <node>:<service id>`)
  }
  return { node: instance.slice(0, colon), serviceId: instance.slice(colon + 1) }
}
