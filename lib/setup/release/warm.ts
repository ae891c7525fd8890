/**
 * Runs the programs that Consul runs, `attend` and `lock` for rehearsal, so that keep.cjs can store the code that V8 compiles.
 * They talk to a stand-in for Consul and have a state directory of their own. Other programs are started too seldom.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootClock } from '../../base/clock.ts'
import { keysOf, lockKeysOf } from '../../base/names.ts'
import { base64 } from '../../consul/kv.ts'
import { checksDigest, keyprefixDigest, serviceDigest } from '../../consul/watch.ts'
import { cleanValue } from '../../keys/lock.ts'
import { enterState } from '../../state/boot.ts'
import { makeDirectory, writeFact } from '../../state/facts.ts'
import { type InstanceFiles, instanceFiles } from '../../state/paths.ts'
import { standIn } from './stand-in.ts'

const name = 'rehearsal'
const node = 'stage'
const instance = `${node}:${name}`
const session = '00000000-0000-0000-0000-000000000000'
const definition = { name, partitions: { range: [0, 3] }, run: { command: ['/bin/false'] } }
const check = { Node: node, CheckID: `${name}-guard`, ServiceID: name, Status: 'passing' }
const serf = { Node: node, CheckID: 'serfHealth', ServiceID: '', Status: 'passing' }
const service = [{ Node: { Node: node }, Service: { ID: name }, Checks: [serf, check] }]
const lockKeys = lockKeysOf(name)
/** A lock that is free. */
const lock = [
  {
    Key: lockKeys.spec,
    Value: base64('{"slots":1,"lease":10000,"grace":3000}'),
    CreateIndex: 1,
    ModifyIndex: 1,
    LockIndex: 0,
  },
  { Key: lockKeys.slot(0), Value: base64(cleanValue('')), CreateIndex: 1, ModifyIndex: 1, LockIndex: 1 },
]
const key = { Key: keysOf(name).revision, Value: 'MQ==', CreateIndex: 1, ModifyIndex: 1, LockIndex: 0 }

/** The input of each watch, and the digest that its handler computes. */
const watches = [
  { program: 'on-service', as: 'on-service', input: service, digest: serviceDigest, more: [] },
  {
    program: 'on-keyprefix',
    as: 'on-keyprefix.spec',
    input: [key],
    digest: keyprefixDigest,
    more: ['--watch', 'spec'],
  },
  {
    program: 'on-checks',
    as: 'on-checks',
    input: [check],
    digest: (text: string) => checksDigest(text, { node, serviceId: name }),
    more: [],
  },
]

/** Stores the compiled code of a release's programs. */
export async function warm(release: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-rehearsal-'))
  const keys = { [lockKeys.root]: lock }
  const consul = await standIn({ service, session: { ID: session, Node: node }, keys })
  const play = (program: string, args: readonly string[], input: unknown = null) =>
    run(release, [`${release}/${program}.cjs`, ...args], JSON.stringify(input))
  try {
    const args = stage(folder, consul.address)
    // First a run that exits at once, as most do; then a full run, for the parts that are loaded late.
    for (const { program, input, more } of watches) await play(program, [...args, ...more], input)
    for (const { program, more } of watches) await play(program, [...args, ...more], [])
    for (const program of ['guard', 'reconcile']) await play(program, args)
    // Once more with a check that is due: then the guard loads another part, and starts attend at every tick.
    writeFact(filesIn(folder).checksDue, '0')
    await play('guard', args)
    await play('attend', [...args, '--window', '1ms'])
    await play('lock', [name, '--http-addr', consul.address, '--', '/bin/true'])
  } finally {
    consul.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function filesIn(folder: string): InstanceFiles {
  return instanceFiles(`${folder}/state`, instance)
}

/** An instance that has just looked, and holds one lock. */
function stage(folder: string, address: string): string[] {
  const files = filesIn(folder)
  enterState(files, instance, name)
  for (const { as, input, digest } of watches) writeFact(files.seen(as), digest(JSON.stringify(input)))
  writeFact(files.session, session)
  hold(files, '0')
  const file = join(folder, 'definition.json')
  writeFileSync(file, JSON.stringify(definition))
  const whose = ['--instance', instance, '--service', name, '--definition', file]
  return [...whose, '--state', `${folder}/state`, '--http-addr', address]
}

/** No process has such a pid, so that nothing is signalled. */
const nobody = '4194305 1'

function hold(files: InstanceFiles, id: string): void {
  const { directory, acquisition, index, token, lease, terms, shepherd, process, status } = files.partition(id)
  const now = bootClock()
  makeDirectory(directory)
  const facts = { [acquisition]: 'a', [index]: '1', [token]: '1', [lease]: `${now} ${now}`, [terms]: '10000 3000' }
  const local = { [shepherd]: nobody, [process]: nobody, [status]: 'running' }
  for (const [file, fact] of Object.entries({ ...facts, ...local })) writeFact(file, fact)
}

/** The exit code does not matter. */
function run(release: string, args: readonly string[], input: string): Promise<void> {
  return new Promise(resolve => {
    const options = { env: { PATH: process.env.PATH ?? '' }, cwd: '/', timeout: 10_000 }
    const child = execFile(`${release}/bin/node`, ['-r', `${release}/lib/keep.cjs`, ...args], options, () => resolve())
    child.stdin?.on('error', () => {}).end(input)
  })
}
