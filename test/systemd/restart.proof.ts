/** Debian's unit of Consul's agent under a real systemd: what a restart of it ends, and what it does not. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { consulBinary } from '../lab/consul.ts'
import { until } from '../lab/until.ts'
import { agents, http, service } from './agents.ts'
import { boot, type Hierarchy, type Machine } from './machine.ts'

const root = join(import.meta.dirname, '../..')
const partitions = ['0', '1', '2']
/** Tells of SIGTERM; 0 stays while there is a file. It has a child in a session of its own. */
const worker = `trap 'while [ $1 = 0 ] && [ -e stubborn ]; do sleep 0.05; done; echo $1 >>asked; exit 0' TERM
setsid sleep 1000 & while :; do sleep 0.1; done`

/** What a partition's process is known by. */
interface Running {
  readonly shepherd: string
  readonly process: string
  readonly group: string | null
}

class Lab {
  readonly machine: Machine
  readonly #state: string

  constructor(machine: Machine) {
    this.machine = machine
    this.#state = join(machine.folder, 'a1/state/a1:svc')
  }

  /** Writes a definition, and loads it; waits until all that it names runs. */
  async install(...more: string[]): Promise<void> {
    const { folder } = this.machine
    const file = join(folder, 'svc.json')
    const run = { command: ['/bin/sh', '-c', worker, 'worker', '{partition}'], cwd: folder }
    writeFileSync(file, JSON.stringify({ name: 'svc', partitions: { list: partitions }, run, stop: { grace: '20s' } }))
    const consulDir = join(folder, 'a1/consul.d')
    const places = ['--consul-dir', consulDir, '--node', 'a1', '--state', join(folder, 'a1/state')]
    const args = [file, ...places, '--http-addr', http, '--home', join(folder, 'home'), ...more]
    await until('the agent to be up', () =>
      this.machine.run('curl', '-sf', `${http}/v1/status/leader`).then(said => said.length > 4),
    )
    await this.machine.run(process.execPath, join(root, 'handlers/configure.ts'), ...args)
    await this.systemctl('reload', 'consul.service')
    await until('all to run', () => partitions.every(id => this.#fact(id, 'status') === 'running'), {
      deadline: 30_000,
    })
  }

  systemctl(...args: string[]): Promise<string> {
    return this.machine.run('systemctl', ...args)
  }

  running(): Running[] {
    return partitions.map(id => this.of(id))
  }

  of(id: string): Running {
    const [shepherd = '', process = ''] = [this.#fact(id, 'shepherd'), this.#fact(id, 'process')].map(String)
    return { shepherd, process, group: this.#fact(id, 'group') }
  }

  /** Removes a fact of every partition. */
  forget(name: string): void {
    for (const id of partitions) rmSync(join(this.#state, 'partition', id, name), { force: true })
  }

  /** Other lines for the [Service] of consul.service. */
  async unit(...lines: string[]): Promise<void> {
    await this.machine.write('/etc/systemd/system/consul.service.d/more.conf', service(lines))
    await this.systemctl('daemon-reload')
  }

  /** One of watchbill's programs. */
  program(name: string, ...args: string[]): Promise<string> {
    const program = join(this.machine.folder, 'home/current/watchbill')
    return this.machine.run(program, name, ...args, '--http-addr', http)
  }

  /** What doctor says of KillMode. */
  async killMode(): Promise<string> {
    const said = await this.program('doctor', '--consul-dir', join(this.machine.folder, 'a1/consul.d')).catch(
      ({ stdout }) => String(stdout),
    )
    return said.split('\n').find(line => line.includes('KillMode')) ?? said
  }

  status(id: string): string | null {
    return this.#fact(id, 'status')
  }

  /** Pids, seen from inside. */
  async members(group: string): Promise<string[]> {
    const inside = 'find "$1" -name cgroup.procs -exec cat {} +'
    return (await this.machine.run('/bin/sh', '-c', inside, 'sh', group)).split('\n').filter(Boolean)
  }

  /** The session that holds each lock. */
  async sessions(): Promise<string[]> {
    const locks = JSON.parse(await this.machine.run('curl', '-sf', `${http}/v1/kv/watchbill/svc/lock/?recurse`))
    return (locks as { Session: string }[]).map(({ Session }) => Session)
  }

  /** Restarts the agent, and waits until its guard has proved the locks again. */
  async restart(): Promise<void> {
    const before = this.#lease()
    await this.systemctl('restart', 'consul.service')
    const restarted = this.#lease()
    await until('the lease to be extended', see => see(this.#lease()) > Math.max(before, restarted), {
      deadline: 20_000,
    })
  }

  #lease(): number {
    return Number(readFileSync(join(this.#state, 'lease'), 'utf8').split(/\s/)[1])
  }

  #fact(id: string, name: string): string | null {
    const file = join(this.#state, 'partition', id, name)
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : null
  }
}

/** @param more lines for the [Service] of consul.service */
async function labFor(
  test: TestContext,
  how: Hierarchy,
  more: readonly string[],
  prepare = (_: Lab) => {},
): Promise<Lab | null> {
  const machine = await boot(how, agents(await consulBinary(console.error), more))
  if (typeof machine === 'string') {
    test.skip(machine)
    return null
  }
  test.after(() => machine.close())
  const lab = new Lab(machine)
  prepare(lab)
  await lab.install()
  return lab
}

const scopeOf = ({ group }: Running) => /[^/]+\.scope/.exec(group ?? '')?.[0] ?? ''

const pidOf = (fact: string) => fact.split(' ')[0] ?? ''
/** Debian's, in every container too. */
const daemon = 1

function own(folder: string): void {
  chmodSync(folder, 0o755)
  for (const entry of [folder, ...readdirSync(folder, { recursive: true }).map(name => join(folder, String(name)))])
    chownSync(entry, daemon, daemon)
}

for (const how of ['unified', 'hybrid'] as const) {
  describe(`under systemd, ${how}`, { concurrency: 1 }, () => {
    it('a restart of the agent by its own unit ends nothing of an agent that is root', async test => {
      const lab = await labFor(test, how, ['User=root'])
      if (lab === null) return
      const [before, sessions] = [lab.running(), await lab.sessions()]
      for (const { group, process, shepherd } of before) {
        assert.match(group ?? '', /\/system\.slice\/watchbill-a1:svc-\d+\.scope\//)
        const members = await lab.members(group ?? '')
        assert.ok(members.includes(pidOf(process)), 'the process is in its group')
        assert.ok(!members.includes(pidOf(shepherd)), 'the shepherd is not')
      }
      await lab.restart()
      assert.deepEqual(lab.running(), before)
      for (const { process, shepherd } of before) await lab.machine.run('kill', '-0', ...[process, shepherd].map(pidOf))
      assert.deepEqual(await lab.sessions(), sessions, 'the session is the same')

      assert.match(await lab.killMode(), /^ok: .*KillMode=control-group, and every partition is outside of it/)

      await test.test('and what a stopping scope has yet to end does not keep the others', async () => {
        const [old] = before.map(scopeOf)
        const stubborn = join(lab.machine.folder, 'stubborn')
        writeFileSync(stubborn, '')
        await lab.systemctl('stop', '--no-block', String(old))
        const others = partitions.slice(1)
        await until('the others to run in another scope', see => {
          const now = see(others.map(id => ({ ...lab.of(id), status: lab.status(id) })))
          return now.every(one => one.status === 'running' && ![old, ''].includes(scopeOf(one)))
        })
        assert.equal(await lab.systemctl('is-active', String(old)).catch(error => error.stdout), 'deactivating')
        rmSync(stubborn)
        await until('0 to run in another scope', () => lab.status('0') === 'running' && scopeOf(lab.of('0')) !== old)
        assert.deepEqual(readFileSync(join(lab.machine.folder, 'asked'), 'utf8').trim().split('\n').sort(), partitions)
        await until('the old scope to be gone', () =>
          lab.systemctl('is-active', String(old)).then(
            () => false,
            () => true,
          ),
        )
      })
    })

    it('it ends nothing of another user either whose unit says Delegate=yes and KillMode=process', async test => {
      const unit = ['User=daemon', 'Delegate=yes', 'KillMode=process']
      const lab = await labFor(test, how, unit, ({ machine }) => own(machine.folder))
      if (lab === null) return
      const [before, sessions] = [lab.running(), await lab.sessions()]
      for (const { group, process, shepherd } of before) {
        assert.match(group ?? '', /\/system\.slice\/consul\.service\/watchbill\.a1:svc\//)
        const members = await lab.members(group ?? '')
        assert.deepEqual(
          [process, shepherd].map(fact => members.includes(pidOf(fact))),
          [true, false],
        )
      }
      await lab.restart()
      assert.deepEqual(lab.running(), before)
      assert.deepEqual(await lab.sessions(), sessions)
    })
  })
}

describe('what an older release started', () => {
  it('goes on under a newer one, until it ends', async test => {
    // That is what such a release needed, and what it left: no group, and no mark but the state directory.
    const lab = await labFor(test, 'unified', ['User=root', 'KillMode=process', 'Environment=WATCHBILL_CGROUP=off'])
    if (lab === null) return
    for (const name of ['mark', 'group']) lab.forget(name)
    const old = lab.running()
    await lab.unit('User=root', 'KillMode=process')
    await lab.restart()
    assert.deepEqual(lab.running(), old)
    await lab.program('restart', 'svc', '1', '--wait', '20s')
    await until('1 to run in a scope', see => lab.status('1') === 'running' && scopeOf(see(lab.of('1'))) !== '')
    assert.deepEqual([lab.of('0'), lab.of('2')], [old[0], old[2]])
    await lab.unit('User=root')
    assert.match(await lab.killMode(), /^unsafe: .*processes of svc that were started before .* stand in it/)
    // With these in it, a unit that kills all it has does so, and waits for their shepherds, which takes a lease.
    await lab.program('restart', 'svc', '0', '2', '--wait', '20s')
    await until('all to run in a scope', see =>
      partitions.every(id => lab.status(id) === 'running' && scopeOf(see(lab.of(id))) !== ''),
    )
    const fresh = lab.running()
    await lab.unit('User=root')
    await until('the clock of the shepherds to have moved, too', async see =>
      /^ok: .*every partition is outside/.test(see(await lab.killMode())),
    )
    await lab.restart()
    assert.deepEqual(lab.running(), fresh)
    await lab.program('leave', 'svc', '--state', join(lab.machine.folder, 'a1/state'))
    await until('its scope to be gone', async see => {
      const units = await lab.systemctl('list-units', '--all', '--plain', '--no-legend', 'watchbill-*')
      return see(units) === ''
    })
  })
})
