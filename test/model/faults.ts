/** Causes the faults of a run, and ends them. */
import { fieldsIn } from '../../lib/base/json.ts'
import { entryOf } from '../../lib/consul/entry.ts'
import { countFrom, counting, followedBy } from '../../lib/keys/count.ts'
import type { Action } from './actions.ts'
import { type Fleet, keys } from './fleet.ts'
import { garbledAnswers, hostileWrites, rulesOfPlacement } from './garbled.ts'
import type { Host, Process } from './host.ts'
import type { Fate } from './network.ts'
import type { Participant } from './participant.ts'
import { planKeys, plans, spoilt } from './plans.ts'
import type { Backup } from './store.ts'

/** Causes the actions one after the other. */
export class Faults {
  readonly #fleet: Fleet
  #backup: Backup | null = null
  #epoch = 0
  /** The ends of the lasting faults that are still active. */
  readonly #mend = new Set<() => void>()

  /** How many plans there were, and whether the last one leaves something to nobody. */
  #plans = 0
  #leavesToNobody = false

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  async apply(action: Action): Promise<void> {
    const { world, participants, options } = this.#fleet
    await this.#fleet.run(action.after)
    const participant = participants[action.host % participants.length] as Participant
    const partition = options.partitions[action.partition % options.partitions.length] as string
    const done = this.#bringAbout(action, participant, partition)
    if (done !== false) world.say(`--- ${participant.host.name}, ${partition}: ${sentence(action)}`)
  }

  /** Ends all faults. */
  allWell(): void {
    for (const mend of this.#mend) mend()
    this.#fleet.fates.length = 0
    for (const { faults, host } of this.#fleet.participants) {
      faults.clear()
      for (const process of host.processes.values()) process.stopped = false
    }
    this.#settings([])
    this.#thaw()
    if (this.#fleet.consul.keys.has(keys.placement)) this.#fleet.consul.remove(keys.placement)
    // Any other plan stays, also one that is spoilt: everything has an owner all the same.
    if (this.#leavesToNobody && this.#fleet.consul.keys.has(keys.plan)) this.#fleet.consul.remove(keys.plan)
    this.#fleet.world.say('--- all faults are over')
  }

  /**
   * @returns false when there is nothing to do, or when it would be a second fault and watchbill only promises to
   * survive one
   */
  #bringAbout(action: Action, participant: Participant, partition: string): unknown {
    const { host, name } = participant
    const { consul, world } = this.#fleet
    const { for: ms = 60_000 } = action
    const lock = keys.lock(partition)
    switch (action.do) {
      case 'cut':
        return this.#cut(host, ms)
      case 'cut and powered off':
        return this.#powerOff(participant, action)
      case 'agent killed':
        return this.#withoutGuard(host) && this.#lasting(ms, down => this.#reach(host, 'agent', !down))
      case 'host frozen':
        return this.#withoutGuard(host) && this.#lasting(ms, frozen => this.#freeze(host, frozen))
      case 'guard hung':
        return this.#withoutGuard(host) && this.#lasting(ms, hangs => participant.hang(hangs ? ms : 0))
      case 'read held back':
        return this.#fate(host, { heldBack: ms }, path => path === '/v1/txn?consistent')
      case 'write held back':
        return this.#fate(host, { heldBack: ms }, path => path === '/v1/txn')
      case 'answer late':
        return this.#fate(host, { answerAfter: ms })
      case 'answer lost':
        return this.#fate(host, { answerAfter: null })
      case 'answer garbled':
        return this.#garble(host, action.nth ?? 0, action.how ?? 0)
      case 'lost while a read is answered, then cut':
        return this.#loseOnTheWay(host, ms, '/v1/txn?consistent')
      case 'lost while a write is answered, then cut':
        return this.#loseOnTheWay(host, ms, '/v1/txn')
      case 'program fails':
        return (
          this.#withoutGuard(host) && action.fault && participant.faults.set(action.program ?? 'guard', action.fault)
        )
      case 'disk full':
      case 'disk read-only':
        return (
          this.#withoutGuard(host) && this.#lasting(ms, on => this.#spoil(host, on ? (action.do as 'disk full') : null))
        )
      case 'lease torn':
        return this.#tear(participant)
      case 'session destroyed':
        return consul.destroyOf(host.name)
      case 'cut and session destroyed':
        this.#cut(host, ms)
        return consul.destroyOf(host.name)
      case 'shepherd killed':
        return this.#withGuard(participant) && this.#hit(host, 'shepherd', 'SIGKILL')
      case 'shepherd stopped':
        return this.#withGuard(participant) && this.#hit(host, 'shepherd', 'SIGSTOP')
      case 'clock killed':
        return this.#hit(host, 'clock', 'SIGKILL')
      case 'clock stopped':
        return this.#withGuard(participant) && this.#hit(host, 'clock', 'SIGSTOP')
      case 'clock hung':
        return this.#withGuard(participant) && this.#hangClock(host)
      case 'worker killed':
        return this.#hit(host, 'worker', 'SIGKILL')
      case 'host rebooted':
        host.reboot()
        return participant.event(3000)
      case 'clock begins anew':
        host.reboot(host.boot)
        return participant.event(3000)
      case 'strangers come':
        return [1, 2, 3].map(() => host.start('stranger'))
      case 'drained':
        return this.#settings([name])
      case 'drain over':
        return this.#settings([])
      case 'rules put in force':
        return consul.put(keys.placement, JSON.stringify({ rules: rulesOfPlacement[action.how ?? 0] }))
      case 'pinned':
        return consul.put(keys.placement, JSON.stringify({ pins: { [partition]: name } }))
      case 'plan put in force':
        return this.#putPlan(action.how ?? 0, action.nth ?? 0)
      case 'plan over':
        return consul.keys.has(keys.plan) && consul.remove(keys.plan)
      case 'rules over':
        return consul.keys.has(keys.placement) && consul.remove(keys.placement)
      case 'partition removed':
        consul.remove(keys.partition(partition))
        return consul.put(keys.revision, String(world.now))
      case 'partition added':
        if (!consul.keys.has(keys.partition(partition))) consul.put(keys.partition(partition), '{"from":"definition"}')
        return consul.put(keys.revision, String(world.now))
      case 'lock deleted':
        return consul.keys.has(lock) && consul.remove(lock)
      case 'lock made anew as clean':
        return consul.keys.has(lock) && this.#makeAnew(lock)
      case 'lock overwritten':
        return consul.keys.has(lock) && consul.put(lock, 'what is this')
      case 'lock overwritten as clean':
        return consul.keys.has(lock) && consul.put(lock, '{"clean":true}')
      case 'hostile write':
        return this.#write(action.how ?? 0)
      case 'everything wiped':
        return this.#knowTerms() && consul.below(keys.root).map(({ Key }) => consul.remove(Key))
      case 'left':
        return participant.present && host.agent && !host.cut && void participant.leave()
      case 'cut while it leaves':
        return participant.present && host.agent && !host.cut && this.#cutLeaving(participant, ms)
      case 'joined':
        return !participant.present && participant.register()
      case 'backup made':
        this.#backup = consul.backup()
        return true
      case 'backup restored':
        return this.#restore()
      case 'definition shrunk':
        return participant.define(this.#fleet.options.partitions.slice(0, 1))
      case 'terms changed':
        return this.#changeTerms(participant)
      case 'epoch raised':
        consul.put(keys.settings, JSON.stringify({ drained: [], epoch: ++this.#epoch }))
        return consul.put(keys.revision, String(world.now))
      case 'set deleted':
        return this.#deleteSet()
      case 'scaled':
        return this.#scale('hand', action.how ?? 0)
      case 'scale reset':
        return consul.keys.has(keys.number) && this.#scale('reset', 0)
      case 'rolled':
        return this.#roll(action.how ?? 0)
      case 'frozen':
        consul.put(keys.freeze, JSON.stringify({ frozen: true, by: 'hand', since: '' }))
        return consul.put(keys.revision, String(world.now))
      case 'thawed':
        return this.#thaw()
      case 'state directory removed':
        return this.#removeState(participant)
    }
  }

  /** @param set starts the fault (true) and ends it (false) */
  #lasting(ms: number, set: (on: boolean) => void): unknown {
    const mend = () => {
      if (this.#mend.delete(mend)) set(false)
    }
    set(true)
    this.#mend.add(mend)
    return this.#fleet.world.after(ms, null, mend)
  }

  #cut(host: Host, ms: number): unknown {
    return this.#lasting(ms, cut => this.#reach(host, 'cut', cut))
  }

  /**
   * The host is cut off, and another one powers it off. `how`: the command works; it does nothing and says so; it does nothing, and
   * that is not confirmed. `nth`: how long it takes, ms.
   */
  #powerOff({ host, name }: Participant, { how = 0, nth = 0, for: ms = 60_000 }: Action): unknown {
    const { world, participants } = this.#fleet
    const other = participants.findLast(one => one.name !== name && one.present && one.host.agent && !one.host.cut)
    if (other === undefined) return false
    this.#cut(host, ms)
    const runs = async ([program]: readonly string[]) => {
      if (program !== 'off') return how === 2 ? 'it is on' : null
      await new Promise<void>(resolve => world.after(nth, null, resolve))
      if (how === 0) host.reboot()
      return how === 1 ? 'no such outlet' : null
    }
    // Gossip takes so long to notice.
    world.after(6600, { host: other.host, alive: true }, () => void other.power(runs))
    return true
  }

  #reach(host: Host, what: 'cut' | 'agent', value: boolean): void {
    host[what] = value
    this.#fleet.gossip(host)
  }

  /** As a scheduler does, or as nobody should. */
  #putPlan(how: number, spoiltHow: number): void {
    const { consul, participants, options } = this.#fleet
    const plan = (plans[how] as (typeof plans)[number])(
      participants.map(({ name }) => name),
      options.partitions,
    )
    const written = planKeys(++this.#plans, plan, spoilt[spoiltHow] as (typeof spoilt)[number])
    for (const [key, value] of written) consul.put(key, value)
    this.#leavesToNobody = plan.nobody !== undefined
  }

  #freeze(host: Host, frozen: boolean): void {
    if (frozen) host.freeze()
    else host.thaw()
    this.#fleet.gossip(host)
  }

  /** The worst moment to lose a session: the answer is outdated when it arrives, and no further one follows. */
  #loseOnTheWay(host: Host, ms: number, request: string): unknown {
    const { world, consul } = this.#fleet
    const onServed = () => {
      world.after(10, null, () => consul.destroyOf(host.name))
      world.after(ms + 1, null, () => this.#cut(host, 60_000))
    }
    return this.#fate(host, { answerAfter: ms, onServed }, path => path === request)
  }

  #fate(host: Host, fate: Fate, fits: (path: string) => boolean = () => true): unknown {
    return this.#fleet.fates.push({ host, fits, fate })
  }

  #spoil(host: Host, disk: Host['disk']): void {
    host.disk = disk
  }

  /**
   * What a reader sees in the middle of a write: the first digits of the new text, then the last digits of the old
   * one.
   */
  #tear({ host, home }: Participant): unknown {
    const file = `${home}/lease`
    const [, copy = '', end] = host.files.exists(file) ? host.files.file(file).text.split('\n') : []
    if (end === undefined) return false
    const now = String(Math.floor(host.clock / 10) * 10)
    return host.files.write(file, `${host.boot} ${now.padEnd(14)}\n${copy}\n`)
  }

  #write(how: number): unknown {
    const [key, value] = hostileWrites[how] ?? ['', '']
    const { consul, world } = this.#fleet
    // A lock that does not exist would be created and believed: whoever may write keys is trusted that far.
    if (key.startsWith('lock/') && /^[01]$/.test(key.slice(5)) && !consul.keys.has(keys.root + key)) return false
    consul.put(keys.root + key, value)
    return consul.put(keys.revision, String(world.now))
  }

  #garble(host: Host, nth: number, how: number): unknown {
    let left = nth
    return this.#fate(host, { instead: garbledAnswers[how] ?? {} }, () => left-- === 0)
  }

  /** When everything is wiped, only an instance that has seen the longest leases knows them. */
  #knowTerms(): boolean {
    return this.#all('terms', text => {
      const [lease = 0, grace = 0] = text.split(' ').map(Number)
      return this.#fleet.participants.every(({ longest }) => longest.lease <= lease && longest.grace <= grace)
    })
  }

  #all(fact: string, says: (text: string) => boolean): boolean {
    return this.#fleet.participants.every(({ host: { files }, home }) => {
      return files.exists(`${home}/${fact}`) && says(files.file(`${home}/${fact}`).text.trimEnd())
    })
  }

  #makeAnew(lock: string): true {
    const { consul } = this.#fleet
    consul.remove(lock)
    consul.put(lock, '{"clean":true}')
    return true
  }

  /** The guard takes care of a shepherd that is dead or stopped. Without a guard only the fencing token helps. */
  #withGuard({ host, hungUntil, present, faults }: Participant): boolean {
    const stopped = [...host.processes.values()].some(({ kind, stopped }) => kind === 'program' && stopped)
    const works = !stopped && hungUntil <= this.#fleet.world.now && !faults.has('guard')
    return present && host.agent && !host.frozen && works
  }

  #hangClock(host: Host): unknown {
    const clock = [...host.processes.values()].find(({ kind }) => kind === 'clock')
    if (clock) clock.hung = true
    return clock !== undefined
  }

  #withoutGuard(host: Host): boolean {
    const living = [...host.processes.values()]
    const orphaned = living.some(({ run }) => run !== null && !living.includes(run.shepherd))
    return !orphaned && !living.some(({ stopped, hung }) => stopped || hung)
  }

  /** An instance whose state directory is removed is controlled only by its shepherds. */
  #removeState(participant: Participant): unknown {
    const { host, home } = participant
    if (!this.#withGuard(participant) || !this.#withoutGuard(host) || !host.files.exists(home)) return false
    return host.files.remove(home, true)
  }

  #hit(host: Host, kind: 'shepherd' | 'clock' | 'worker', signal: string): unknown {
    const known = ({ environment }: Process) =>
      kind === 'clock' ||
      host.files.exists(`${environment.replace(/^.*(WATCHBILL_DIR=|shepherd of )/s, '').split('\0')[0]}/acquisition`)
    const target = [...host.processes.values()].find(process => process.kind === kind && known(process))
    return target !== undefined && host.signal(target.pid, signal)
  }

  #settings(drained: readonly string[]): unknown {
    const { consul, world } = this.#fleet
    consul.put(keys.settings, JSON.stringify({ drained }))
    return consul.put(keys.revision, String(world.now))
  }

  /** Once its member key says that it leaves. */
  #cutLeaving(participant: Participant, ms: number, tries = 200): unknown {
    const { world, consul } = this.#fleet
    if (tries === 200) void participant.leave()
    const { leaving } = fieldsIn(consul.keys.get(keys.member(participant.name))?.Value ?? null, fromBase64)
    if (leaving === true) return world.after(ms, null, () => this.#cut(participant.host, 60_000))
    if (tries > 0) world.after(10, null, () => this.#cutLeaving(participant, ms, tries - 1))
    return true
  }

  /** As `watchbill scale` writes it; an instance brings the set to it. */
  #scale(by: 'hand' | 'reset', number: number): unknown {
    const { consul, world } = this.#fleet
    if (!consul.keys.has(keys.revision)) return false
    const raw = consul.keys.get(keys.number)
    const before = raw ? countFrom(entryOf(raw)) : null
    const next = followedBy(before, this.#fleet.partitions(), { by, number, share: null, since: '' })
    const [write] = counting(keys, null, next)
    consul.put(keys.number, Buffer.from(write?.Value ?? '', 'base64').toString())
    return consul.put(keys.revision, String(world.now))
  }

  /**
   * A roll-out has come to all partitions, or goes back, or only restarts: as whoever has the duty writes it, with the requests
   * to the holders. Whoever claims meanwhile may have looked before.
   */
  #roll(how: number): unknown {
    const { consul, world } = this.#fleet
    if (!consul.keys.has(keys.revision)) return false
    const [id, to] = [`roll-${world.now}`, how === 2 ? null : '2.0']
    const roll = { id, to, state: how === 1 ? 'reverting' : 'rolling', cursor: '~', ...rollDefaults }
    consul.put(keys.roll, JSON.stringify(roll))
    consul.put(keys.settings, JSON.stringify({ drained: [], roll: { id, to, ready: true } }))
    for (const partition of this.#fleet.partitions()) consul.put(keys.restart(partition), '{}')
    for (const { name } of this.#fleet.participants) consul.put(`${keys.wake(name)}restart`, '{}')
    return consul.put(keys.revision, String(world.now))
  }

  /** The partitions and their locks, but for the number: whoever brings the set to it must not take them for new ones. */
  #deleteSet(): unknown {
    const { consul } = this.#fleet
    const keysBelow = [keys.partitions, keys.locks].flatMap(prefix => consul.below(prefix))
    return keysBelow.map(({ Key }) => consul.remove(Key))
  }

  #thaw(): unknown {
    const { consul, world } = this.#fleet
    if (!consul.keys.has(keys.freeze)) return false
    consul.remove(keys.freeze)
    return consul.put(keys.revision, String(world.now))
  }

  /**
   * A backup must not bring back a lock that was handed over cleanly since: docs/by-hand.md says so, so that is
   * avoided here.
   */
  #restore(): unknown {
    const { consul } = this.#fleet
    const backup = this.#backup
    const forged = [...(backup?.keys.values() ?? [])].some(
      raw =>
        raw.Key.startsWith(keys.locks) && !raw.Session && raw.ModifyIndex !== consul.keys.get(raw.Key)?.ModifyIndex,
    )
    if (backup === null || forged) return false
    consul.restore(backup)
    for (const { name, serfHealth } of [...consul.nodes].map(([name, node]) => ({ name, ...node }))) {
      if (serfHealth === 'critical') consul.destroyOf(name)
    }
    return true
  }

  #changeTerms(participant: Participant): void {
    const { lease, grace, interval } = participant.terms
    const terms =
      lease > 8000 ? { lease: 7000, grace: 1000, interval } : { lease: lease + 5000, grace: grace + 1000, interval }
    const { options, world } = this.#fleet
    const turned = options.per === 'instance' && world.random(`turns ${participant.name}`) < 0.5
    const other = participant.per === 'instance' ? 'partition' : 'instance'
    participant.define(options.partitions, terms, turned ? other : participant.per)
  }
}

const rollDefaults = {
  ...{
    from: '1.0',
    by: 'people',
    since: '',
    changed: '',
    unit: 'partition',
    max: { number: 1 },
    steps: [{ percent: 100 }],
  },
  ...{
    settleMs: 0,
    limitMs: 0,
    ack: false,
    autoRevert: false,
    only: null,
    before: null,
    step: 0,
    skipped: [],
    again: [],
  },
  ...{ round: 0, why: null, reached: 0, of: 0 },
}

function fromBase64(text: string): unknown {
  return JSON.parse(Buffer.from(text, 'base64').toString())
}

function sentence({ do: what, host: _, partition: __, after: ___, ...details }: Action): string {
  return `${what} ${Object.keys(details).length > 0 ? JSON.stringify(details) : ''}`.trim()
}
