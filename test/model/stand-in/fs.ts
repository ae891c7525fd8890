/** node:fs for the programs of the model. Every change is an effect; /proc is that of the virtual machine. */
import { failure } from '../files.ts'
import { current } from '../program.ts'

function reading() {
  const program = current()
  program.mustLive()
  return program.host
}

/** A program may change only its instance's state directory. */
function changing(what: string, path: string) {
  const program = current()
  program.effect(`${what} ${path}`, /^(remove|rename|overwrite)/.test(what) ? 'on disk' : 'takes room')
  const { host } = program
  // A directory that is put aside keeps its name, with a suffix.
  const inside = [`${program.home}/`, `${program.home}.`].some(start => `${path}/`.startsWith(start))
  if (!inside || path.includes('/..'))
    host.world.forbid(`${program.name} would ${what} ${path}, outside of its state directory`)
  return host.files
}

function textOf(path: string): string {
  const host = reading()
  return path.startsWith('/proc/') ? host.proc(path) : host.files.file(path).text
}

export function existsSync(path: string): boolean {
  return reading().files.exists(path)
}

export function readFileSync(path: string, encoding?: unknown): string | Buffer {
  const text = textOf(path)
  return encoding === undefined ? Buffer.from(text) : text
}

export function readdirSync(path: string, { withFileTypes = false } = {}): unknown[] {
  const host = reading()
  if (path === '/proc') return ['self', 'uptime', ...[...host.processes.keys()].map(String)]
  const names = host.files.list(path)
  if (!withFileTypes) return names
  return names.map(name => ({ name, isDirectory: () => host.files.at(`${path}/${name}`) instanceof Map }))
}

export function writeFileSync(path: string, text: string): void {
  changing('write', path).write(path, text)
}

export function appendFileSync(path: string, text: string): void {
  reading().files.append(path, text)
}

export function mkdirSync(path: string, { recursive = false }: { recursive?: boolean } = {}): void {
  if (recursive && existsSync(path)) return
  changing('make', path).make(path, recursive)
}

export function renameSync(from: string, to: string): void {
  changing(`rename ${from} to`, to).rename(from, to)
}

export function rmSync(path: string, { recursive = false, force = false } = {}): void {
  const files = changing('remove', path)
  if (!force || files.exists(path)) files.remove(path, recursive)
}

export function unlinkSync(path: string): void {
  changing('remove', path).remove(path, false)
}

export const rmdirSync = unlinkSync

export function truncateSync(path: string): void {
  changing('truncate', path).write(path, '')
}

export const constants = { O_WRONLY: 1, O_NOFOLLOW: 0o400000, W_OK: 2 }

/** The unread bytes of each descriptor; for a file that is overwritten, its path. */
const open = new Map<number, Buffer>()
const written = new Map<number, string>()
let lastDescriptor = 2

export function openSync(path: string, flags: string | number = 'r'): number {
  const descriptor = ++lastDescriptor
  if (typeof flags === 'number') {
    if (!reading().files.exists(path)) throw failure('ENOENT', path)
    written.set(descriptor, path)
    return descriptor
  }
  if (path.startsWith('/proc/')) {
    open.set(descriptor, Buffer.from(textOf(path)))
    return descriptor
  }
  const files = changing('open', path)
  if (!files.exists(path)) files.write(path, '')
  return descriptor
}

export function readSync(descriptor: number, into: Buffer, offset: number, length: number): number {
  const rest = open.get(descriptor) ?? Buffer.alloc(0)
  const read = rest.copy(into, offset, 0, length)
  open.set(descriptor, rest.subarray(read))
  return read
}

/** Written in place, so it takes no room. */
export function writeSync(descriptor: number, text: string, at: number): number {
  const path = written.get(descriptor) as string
  const files = changing('overwrite', path)
  const before = files.file(path).text
  files.write(path, before.slice(0, at) + text + before.slice(at + text.length))
  return text.length
}

export function fstatSync(descriptor: number) {
  const path = written.get(descriptor)
  return path === undefined ? { size: open.get(descriptor)?.length ?? 0, ino: 0 } : statSync(path)
}

export function closeSync(descriptor: number): void {
  open.delete(descriptor)
  written.delete(descriptor)
}

export function statSync(path: string, { throwIfNoEntry = true } = {}) {
  const { files } = reading()
  if (!throwIfNoEntry && !files.exists(path)) return undefined
  const { text, ino, changed } = files.file(path)
  const size = Buffer.byteLength(text)
  return { ino, size, blocks: Math.ceil(size / 512), mtimeMs: changed, ctimeMs: changed, isFile: () => true }
}

/** From node:fs/promises. */
export async function readFile(path: string): Promise<Buffer> {
  return Buffer.from(textOf(path))
}

export async function stat(path: string) {
  return statSync(path)
}

export function lstatSync(): undefined {} // the model has no symbolic links

// It has no users either.
export function chmodSync(): void {}
export function chownSync(): void {}
export function realpathSync(path: string): string {
  return path
}

// Imported for control groups, which the model's machines do not have.
export function accessSync(path: string): void {
  textOf(path)
}
