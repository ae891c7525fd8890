/**
 * Every command that README.md and the pages of docs/ show, typed as it stands there, in its order, on machines of its own:
 * what it cannot be tried with stands in a table, what another test runs in another, and so does what it needs that the page
 * only says in words. (Root.)
 */
import assert from 'node:assert/strict'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { execa } from 'execa'
import { consulBinary } from '../lab/consul.ts'
import { asNamedBy } from '../lab/settings.ts'
import { until } from '../lab/until.ts'
import { blocksIn } from './blocks.ts'
import { isPossible, Machine } from './machine.ts'

const root = join(import.meta.dirname, '../..')
const textOf = (page: string) => readFileSync(join(root, page), 'utf8')
/** One after the other on the same machines, so a page may build upon the one before it. */
const pages = [
  'README.md',
  'docs/by-hand.md',
  'docs/figures.md',
  'docs/counts.md',
  'docs/placement.md',
  'docs/machine.md',
  'docs/sources.md',
  'docs/lock.md',
  'docs/troubleshooting.md',
  'docs/consul-versions.md',
  'docs/access.md',
]

/** Pages, and sections of the pages above, whose commands another test runs. */
const runElsewhere: Readonly<Record<string, string>> = {
  'docs/client.md': 'test/docs/programs.test.ts',
  'docs/finding-the-owner.md': 'test/docs/programs.test.ts',
  'docs/coming-from.md': 'test/docs/coming-from.long.ts',
  'docs/lock.md#For those who know flock or consul lock': 'test/lock/lock.test.ts',
  'docs/lock.md#stdin': 'test/lock/lock.test.ts',
  'docs/lock.md#Exit status 1': 'test/lock/lock.test.ts',
}
const patient = { deadline: 60_000, every: 200 }

/** By command: why it is not run here. */
const notRun: Readonly<Record<string, string>> = {
  'git clone <this repository> watchbill && cd watchbill': 'the reader has the address; the checkout here is a copy',
  'npm ci && npm run demo': 'needs a package registry; test/examples/demo.test.ts runs the demo',
}

/** How the agent of a machine that has no other is reached. */
const alone = '-server -bootstrap-expect=1 -bind=127.0.0.1'

interface Rule {
  /** What the page says in words before it, or has the reader do. */
  readonly given?: () => unknown
  /** Exit codes; 0 alone unless the page says so. */
  readonly codes?: readonly number[]
  readonly shows?: RegExp
  /** It asks, at a terminal: what is answered. */
  readonly answer?: string
  /** It does not end: until this is so. */
  readonly stays?: (said: string) => unknown
  readonly afterwards?: (said: string) => unknown
}

interface Command {
  readonly text: string
  readonly page: string
  readonly line: number
  /** `<page>#<heading>`; of what stands before the first heading `<page>#`. */
  readonly section: string
}

/** Of the shell blocks of a page, without its programs, and what is typed in its others. */
function commandsOf(page: string): Command[] {
  const text = textOf(page)
  const lines = text.split('\n')
  const sectionAt = (line: number) =>
    lines
      .slice(0, line)
      .findLast(one => /^##+ /.test(one))
      ?.replace(/^#+ /, '') ?? ''
  return blocksIn(text).flatMap(({ language, text, line }) => {
    const shown = text.split('\n').map((one, at) => ({ one, line: line + 1 + at }))
    const typed =
      language === 'sh' && !text.startsWith('#!')
        ? shown
        : language === ''
          ? shown.flatMap(({ one, line }) => (one.startsWith('$ ') ? [{ one: one.slice(2), line }] : []))
          : []
    return typed.flatMap(({ one, line }) => {
      const command = one.replace(/(^|\s+)# .*$/, '').trim()
      return command === '' ? [] : [{ text: command, page, line, section: `${page}#${sectionAt(line)}` }]
    })
  })
}

const shown = pages.flatMap(commandsOf)
const commands = shown.filter(({ section }) => !(section in runElsewhere))

describe('what the pages show, as it is written', { skip: !isPossible && 'needs root', concurrency: 1 }, () => {
  let folder: string
  let checkout: string
  let consul: string
  let version: string
  const machines = new Map<string, Machine>()
  const node7 = () => machines.get('node7') as Machine
  const counted = { run: 0 }
  let environment: Record<string, string> = {}

  const programs = () => ({
    node: join(root, 'node_modules/.bin/node'),
    consul,
    watchbill: join(checkout, 'handlers/watchbill.js'),
  })

  async function machine(name: string): Promise<Machine> {
    const made = await Machine.start(name, folder, checkout, programs())
    machines.set(name, made)
    return made
  }

  /** The agent that the page takes for granted. */
  async function agent(machine: Machine, more: Record<string, string> = {}, bind = alone): Promise<void> {
    const args = `${bind} -data-dir=/var/lib/consul -config-dir=/etc/consul.d`
    const variables = Object.entries(more).map(([name, value]) => `${name}=${value} `)
    await machine.do('mkdir -p /etc/consul.d')
    machine.start(`consul agent ${args} -node=${machine.name} -pid-file=/var/lib/consul.pid`)
    await until('a leader', () => machine.do(`${variables.join('')}consul kv put up yes`), patient)
  }

  /** Another cluster than the tour's, for node8 to look at. */
  async function aDeadNode7(): Promise<void> {
    const asker = await machine('node8')
    await asker.bridge('10.0.1.8')
    await agent(asker, {}, '-server -bootstrap-expect=1 -bind=10.0.1.8')
    const dying = await Machine.start('node7', join(folder, 'dying'), checkout, programs())
    try {
      await dying.plugInto(asker, '10.0.1.7')
      dying.write('/usr/local/bin/consume', worker)
      dying.write('/etc/watchbill/consumer.json', consumer())
      dying.write('/etc/consul.d/watchbill.json', readFileSync(join(root, 'consul.d/watchbill.json'), 'utf8'))
      await agent(dying, {}, '-bind=10.0.1.7 -retry-join=10.0.1.8')
      await dying.do('watchbill configure && consul reload && watchbill status consumer --wait 60s')
    } finally {
      dying.stop()
    }
    await until('it to be lost', async see => /^node7 .*failed/m.test(see(await asker.do('consul members'))), patient)
  }

  /** Three machines of their own, with the rules that docs/placement.md shows. */
  async function threeMachines(): Promise<void> {
    const [, text = ''] = /```json\n([\s\S]*?)\n```/.exec(textOf('docs/placement.md')) ?? []
    const { meta, maxCost, placement } = JSON.parse(text)
    for (const number of [1, 2, 3]) {
      const there = await Machine.start(`node${number}`, join(folder, 'three'), checkout, programs())
      machines.set(`${number} of three`, there)
      const [address, first] = [`10.0.2.${number}`, machines.get('1 of three') as Machine]
      if (number === 1) await there.bridge(address)
      else await there.plugInto(first, address)
      there.write('/usr/local/bin/consume', worker)
      there.write('/etc/watchbill/consumer.json', consumer({ meta, maxCost, placement }))
      there.write('/etc/consul.d/watchbill.json', readFileSync(join(root, 'consul.d/watchbill.json'), 'utf8'))
      await agent(
        there,
        {},
        `-bind=${address} ${number === 1 ? '-server -bootstrap-expect=1' : '-retry-join=10.0.2.1'}`,
      )
      await there.do('watchbill configure && consul reload')
    }
    const done = async () => /16 partitions on 3 members; 16 running/.test(await wholeStatus())
    const wholeStatus = () => (machines.get('1 of three') as Machine).do('watchbill status consumer --wait 60s')
    await until('three members', done, patient)
    writeFileSync(join(checkout, 'old.json'), consumer({ placement: {} }))
    writeFileSync(join(checkout, 'new.json'), consumer({ partitions: { range: [0, 17] }, placement }))
  }

  async function restartAgent(machine: Machine): Promise<void> {
    await machine.do('kill "$(cat /var/lib/consul.pid)"')
    await until('it to end', () => machine.do('! [ -e /var/lib/consul.pid ]').then(() => true), patient)
    await agent(machine)
  }

  const allIsWell = () => node7().do('watchbill status consumer --wait 60s')

  function consumer(more: Record<string, unknown> = {}): string {
    const [, text = ''] =
      /`\/etc\/watchbill\/consumer\.json`:\n\n```json\n([\s\S]*?)\n```/.exec(textOf('README.md')) ?? []
    return JSON.stringify({ ...JSON.parse(text), ...more })
  }

  const worker = `#!/bin/sh
echo "at work: $*"
exec sleep 1000000
`

  /** What each section starts from. */
  const sections: Readonly<Record<string, { on: string; given?: () => unknown }>> = {
    'README.md#': { on: 'node7' },
    'README.md#A tour on your own cluster': {
      on: 'node7',
      async given() {
        const there = await machine('node7')
        there.write('/usr/local/bin/consume', worker)
        there.write('/etc/watchbill/consumer.json', consumer())
        await agent(there)
      },
    },
    'docs/by-hand.md#': {
      on: 'node7',
      async given() {
        await node7().do('consul reload') // "a reload of the agent lets it in again"
        await allIsWell()
      },
    },
    'docs/figures.md#': { on: 'node7' },
    'docs/counts.md#Scale by hand': { on: 'node7' },
    'docs/counts.md#Freeze': { on: 'node7' },
    'docs/placement.md#What is in force': { on: '1 of three', given: () => threeMachines() },
    'docs/placement.md#By hand': { on: '1 of three' },
    'docs/placement.md#What if': { on: '1 of three' },
    'docs/machine.md#No Consul yet': {
      on: 'node1',
      async given() {
        const bridged = await machine('node1')
        await bridged.bridge('10.0.0.1')
        for (const number of [2, 4]) await (await machine(`node${number}`)).plugInto(bridged, `10.0.0.${number}`)
      },
    },
    'docs/sources.md#By hand, and from a program': {
      on: 'node7',
      async given() {
        const ids = Array.from({ length: 18 }, (_, id) => String(id))
        node7().write('/etc/ids.json', JSON.stringify(ids))
        node7().write('/etc/watchbill/consumer.json', consumer({ partitions: { file: '/etc/ids.json' } }))
        writeFileSync(join(checkout, 'doc.json'), '{"region":"eu"}')
        await node7().do('watchbill configure && consul reload')
        await allIsWell()
      },
    },
    'docs/lock.md#': { on: 'node7' },
    'docs/machine.md#Is this machine ready?': { on: 'node7' },
    'docs/troubleshooting.md#': {
      on: 'node7',
      async given() {
        await allIsWell()
      },
    },
    'docs/consul-versions.md#Names': {
      on: 'node7',
      async given() {
        await node7().do(`consul kv put 'watchbill/consumer/partition/tenant%20one' '{"from":"hand"}'`)
        await node7().do('watchbill partitions consumer add z')
        await allIsWell()
      },
    },
    'docs/access.md#ACL policies': {
      on: 'node9',
      async given() {
        const there = await machine('node9')
        const master = 'b6e29626-4a0f-4c7d-9c2b-1d1f6a3c0f11'
        const acl = { acl: { enabled: true, default_policy: 'deny', tokens: { master } } }
        there.write('/etc/consul.d/acl.json', JSON.stringify(asNamedBy(version, acl)))
        there.write('/usr/local/bin/consume', worker)
        there.write('/etc/watchbill/consumer.json', consumer())
        environment = { CONSUL_HTTP_TOKEN: master }
        await agent(there, environment)
      },
    },
  }

  const joined = (name: string) => async () =>
    (await (machines.get('node1') as Machine).do('consul members'))
      .split('\n')
      .some(line => new RegExp(`^${name} .*alive`).test(line))

  /** By command; any other has only to exit 0. */
  const rules: Readonly<Record<string, Rule>> = {
    'sudo cp consul.d/watchbill.json /etc/consul.d/': { afterwards: () => restartAgent(node7()) },
    'watchbill owner consumer 7': { shows: /^node7:consumer$/ },
    'watchbill drain consumer node7:consumer': {
      shows: /^node7:consumer is drained$/,
      // The only machine here: '"off" takes part again'.
      async afterwards() {
        await node7().do('watchbill drain consumer node7:consumer off')
        await allIsWell()
      },
    },
    'watchbill partitions consumer add 16 17': { shows: /^added: 16, 17; removed: none$/ },
    'consul kv get -recurse watchbill/consumer/': { shows: /^watchbill\/consumer\/partition\/16:\{"from":"hand"\}$/m },
    'sudo ls /var/lib/watchbill/node7:consumer/partition/7': { shows: /^output\n(.*\n)*process\n(.*\n)*status\n/m },
    'sudo watchbill leave consumer': { shows: /^node7:consumer left: 18 partitions given back/ },
    'watchbill hold consumer 7 8': { shows: /^held: 7, 8$/ },
    "watchbill hold consumer 'tenant-*'": { codes: [100], shows: /fits tenant-\*/ }, // there is none
    'watchbill unhold consumer 7 8': { shows: /^let go: 7, 8$/, afterwards: () => allIsWell() },
    'watchbill scale consumer 12': { shows: /^consumer: 12 partitions/, afterwards: () => allIsWell() },
    'watchbill freeze consumer': { afterwards: () => node7().do('watchbill thaw consumer') },
    'watchbill top consumer': { shows: /^node7:consumer/m },
    'watchbill history consumer': { shows: /\d/ },
    'watchbill history consumer 7 --json': {
      given: () =>
        until(
          'rows',
          () =>
            node7()
              .do('watchbill history consumer 7')
              .catch(() => null),
          patient,
        ),
      shows: /^\{"service":"consumer","instance":"node7:consumer","partition":"7","rows":\[\{/,
    },
    'watchbill metrics': { shows: /^watchbill_\w+\{.*service="consumer"/m },
    'watchbill scale consumer': { shows: /^consumer: 12 partitions, by hand$/ },
    'watchbill scale consumer 7%': { shows: /^consumer: 1, 7% of weight partitions \(it was 12\)/ },
    'watchbill scale consumer --by +2': { shows: /^consumer: 3 partitions \(it was 1\); added 1, 2/ },
    'watchbill scale consumer --reset': { afterwards: () => allIsWell() },
    'watchbill freeze consumer --why "work on the network"': {
      async afterwards() {
        assert.match(await allIsWell(), /FROZEN .*work on the network/)
      },
    },
    'watchbill placement consumer': { shows: /^only +\{"for":"train-\*","attribute":"meta.gpu","in":\["true"\]\}$/m },
    'watchbill placement consumer apply /etc/watchbill/consumer.json': { shows: /is in force, as before$/ },
    'watchbill placement consumer apply old.json --dry-run': { shows: /would be put in force$/ },
    'watchbill pin consumer 7 node3:consumer': {
      shows: /^pinned to node3:consumer: 7$/,
      afterwards: () =>
        until(
          '7 to run there',
          async () =>
            /^node3:consumer$/.test(await (machines.get('1 of three') as Machine).do('watchbill owner consumer 7')),
          patient,
        ),
    },
    'watchbill unpin consumer 7': { shows: /^no longer pinned: 7$/ },
    'watchbill plan consumer --remove node2': { shows: /^consumer: [56] partitions would move\n.*\n.* is gone$/m },
    'watchbill plan consumer --add "node9:meta.zone=b,weight=2 node10:meta.zone=c"': {
      shows: /^node9:consumer +0 +[1-9]/m,
    },
    'watchbill plan consumer --drain node3:consumer --scale 12': { shows: /^node3:consumer +[56] +0$/m },
    'watchbill plan consumer --scale "7% of meta.cores"': { shows: /no longer in the set/ },
    'watchbill plan consumer --definition new.json': { shows: /^17 +- +node[123]:consumer +new$/m },
    'watchbill partitions consumer add x y --document doc.json': { shows: /^added: x, y/ },
    'watchbill partitions consumer remove x': { shows: /removed: x$/ },
    'watchbill partitions consumer sync': { shows: /^fetched/ },
    "watchbill partitions consumer rename 'tenant one' tenant-one": { shows: /tenant-one/ },
    'watchbill logs consumer 7 --follow': { stays: said => /at work: --partition 7 --token \d+/.test(said) },
    'watchbill evict --node node7': {
      given: () => aDeadNode7(),
      answer: 'y\n',
      shows: /Take .*node7.* out for good\? \[y\/N\][\s\S]*^evicted .*node7/m,
      async afterwards() {
        await until(
          'it to be gone',
          () =>
            machines
              .get('node8')
              ?.do('consul members')
              .then(all => !/^node7 .*failed/m.test(all)),
          patient,
        )
      },
    },
    'watchbill agent --server --bootstrap --node node1 --bind 10.0.0.1': { stays: joined('node1') },
    'watchbill agent --server --join 10.0.0.1 --node node2': { stays: joined('node2') },
    'watchbill agent --join 10.0.0.1,10.0.0.2,10.0.0.3': { stays: joined('node4') },
    'watchbill lock deploy -- ./deploy.sh --all': { shows: /^deploy --all$/ },
    'watchbill lock --no-wait deploy -- ./deploy.sh': {
      async given() {
        node7().start('watchbill lock deploy -- sh -c "until [ -e /etc/enough ]; do sleep 0.1; done"')
        await until('it to be held', async () => /deploy/.test(await node7().do('watchbill lock --list')), patient)
      },
      codes: [1],
      shows: /deploy is held by node7:\d+ since /,
      afterwards: () => node7().write('/etc/enough', ''),
    },
    'watchbill lock --slots 3 imports -- ./import.sh': { shows: /^import $/ },
    'watchbill lock --timeout 5m backup -- ./backup.sh': { shows: /^backup $/ },
    'watchbill status consumer': { shows: /^consumer: \d+ partitions/m },
    'watchbill doctor': { codes: [0, 100] },
    'sudo /usr/local/lib/watchbill/current/watchbill doctor': {
      codes: [0, 100], // "exits 100 when something is unsafe"
      shows: /^(?:(?:ok|warn|unsafe): .*\n?)+$/,
    },
    'consul acl token create -policy-name watchbill-consumer': {
      afterwards(said) {
        const [, token = ''] = /^SecretID:\s+(\S+)$/m.exec(said) ?? []
        machines.get('node9')?.write('/etc/consul-token', token)
        environment = {}
      },
    },
  }

  /** Which of the machines: the page says so by the names in its commands. */
  const others: Readonly<Record<string, string>> = {
    'watchbill evict --node node7': 'node8',
    'watchbill agent --server --join 10.0.0.1 --node node2': 'node2',
    'watchbill agent --join 10.0.0.1,10.0.0.2,10.0.0.3': 'node4',
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watchbill-page-'))
    checkout = join(folder, 'watchbill')
    const { stdout } = await execa('git', ['ls-files'], { cwd: root })
    for (const file of stdout.split('\n')) {
      mkdirSync(dirname(join(checkout, file)), { recursive: true })
      cpSync(join(root, file), join(checkout, file))
    }
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'))
    for (const name of ['deploy', 'import', 'backup'])
      writeFileSync(join(checkout, `${name}.sh`), `#!/bin/sh\necho "${name} $*"\n`, { mode: 0o755 })
    consul = await consulBinary()
    version = /v(\S+)/.exec((await execa(consul, ['version'])).stdout)?.[1] ?? ''
  })

  after(() => {
    for (const machine of machines.values()) machine.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })

  let section: string | null = null
  for (const { text, page, line, section: own } of commands)
    it(`${page}, line ${line}: ${text}`, { skip: notRun[text] ?? false }, async t => {
      const known = sections[own]
      assert.ok(known, `nobody knows on which machine the section ${own} is tried; say so in this test`)
      if (section !== own) {
        section = own
        environment = {}
        await known.given?.()
      }
      const { given, codes = [0], shows, answer, stays, afterwards } = rules[text] ?? {}
      await given?.()
      const there = machines.get(others[text] ?? known.on) as Machine
      if (stays) {
        const said = there.start(text)
        await until(`what is expected of ${text}`, async see => see(await stays(see(said()))), patient)
      } else {
        const { code = -1, said } = await there.type(text, environment, answer)
        t.diagnostic(`exit ${code}: ${said.split('\n').slice(0, 3).join(' / ').slice(0, 300)}`)
        assert.ok(codes.includes(code), `exit ${code}: ${said}`)
        if (shows) assert.match(said, shows)
        await afterwards?.(said)
      }
      counted.run++
    })

  it('is tried as a whole, but for what the table says', t => {
    const all = commands.map(({ text }) => text)
    const not = all.filter(text => text in notRun)
    t.diagnostic(`${counted.run} commands of ${all.length} were run, ${not.length} were not`)
    for (const text of not) t.diagnostic(`not run: ${text}: ${notRun[text]}`)
    assert.deepEqual([counted.run, all.length > 30], [all.length - not.length, true])
    for (const text of [...Object.keys(notRun), ...Object.keys(rules), ...Object.keys(others)])
      assert.ok(all.includes(text), `no page shows ${text} any more`)
  })

  it('is all that the pages show, but for what other tests run', () => {
    const others = globSync('docs/**/*.md', { cwd: root }).filter(page => !pages.includes(page))
    const forgotten = others.filter(page => !(page in runElsewhere) && commandsOf(page).length > 0)
    assert.deepEqual(forgotten, [])
    for (const place of Object.keys(runElsewhere)) {
      const isThere = place.includes('#') ? shown.some(({ section }) => section === place) : others.includes(place)
      assert.ok(isThere, `there is no ${place} any more`)
    }
  })
})
