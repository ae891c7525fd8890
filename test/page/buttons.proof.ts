/**
 * Every button of the page, pressed once in a real browser on real agents: each change is there afterwards, and is an event with
 * who asked for it. Beside that, how soon a worker that is killed on another machine is on screen.
 */
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { isGood } from '../../lib/operate/status/partitions.ts'
import { acts } from '../../lib/page/acts/acts.ts'
import { readLine } from '../../lib/state/facts.ts'
import { runnerOf } from '../../lib/state/partition-paths.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { statusOf } from '../cluster/stage.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { type DefinitionFile, install, program } from '../lab/install.ts'
import { type PageProcess, pageOn } from '../lab/page.ts'
import { until } from '../lab/until.ts'
import { at, type Browser, browser, shown, violations } from './browser.ts'

const sleeps = ['sh', '-c', 'case $1 in *-crash) exit 3;; esac; exec sleep 100000', 'sh']
const common = { lease: '7s', stop: { grace: '1s' } }

/** Versions; partitions by hand: whatever is done to partitions, instances and roll-outs. */
const work: DefinitionFile = {
  ...{ name: 'work', ...common, partitions: { list: ['0', '1', '2', '3', '4', '5'] } },
  run: { command: [...sleeps, '{version}'] },
  versions: { pattern: '^\\d+(-crash)?$', first: '1' },
}

/** So many that each worker is killed once: one that ends often is started later each time. */
const many: DefinitionFile = {
  ...{ name: 'many', ...common, partitions: { range: [0, 35] }, run: { command: sleeps } },
}

interface Asked {
  readonly what: string
  readonly partitions: readonly string[]
  readonly by: string | null
  readonly why: string | null
}

describe('every button of the page', { concurrency: 1, timeout: 900_000 }, () => {
  const shared = sharedCluster({ clients: 2, settings: tunedGossip })
  let [s1, a1, a2]: Agent[] = []
  let chromium: Browser | null = null
  let served: PageProcess
  let page: Page
  const pressed = new Set<string>()
  const problems: string[] = []
  const fetches: Asked[] = []

  const settled = (service: string, count: number) =>
    until(
      `${count} partitions of ${service} to run`,
      async see => {
        const { partitions } = see(await statusOf(s1 as Agent, service))
        return partitions.length === count && partitions.every(isGood)
      },
      { deadline: 90_000 },
    )

  before(async () => {
    chromium = await browser()
    ;[s1, a1, a2] = ['s1', 'a1', 'a2'].map(name => shared().agent(name))
    const { root } = shared()
    writeFileSync(join(root, 'set.json'), '["x","y"]')
    // It puts all on the first member, and answers what it is asked.
    const script = join(root, 'assign.mjs')
    writeFileSync(
      script,
      `#!${process.execPath}
let text = ''
for await (const chunk of process.stdin) text += chunk
const { actions } = JSON.parse(text)
const answers = Object.fromEntries(actions.map(({ id, arguments: { zone } }) => [id, 'moved to ' + zone]))
console.log(JSON.stringify({ assignment: {}, log: ['nothing to do <b>'], answers }))
`,
    )
    chmodSync(script, 0o755)
    const numbered: DefinitionFile = {
      ...{ name: 'numbered', ...common, partitions: { count: 3 }, run: { command: sleeps } },
      assign: {
        command: [script],
        actions: { spread: { title: 'Spread over a zone', arguments: { zone: 'which zone' } } },
      },
    }
    const fetched: DefinitionFile = {
      ...{ name: 'fetched', ...common, run: { command: sleeps } },
      partitions: { file: join(root, 'set.json'), every: 'never' },
    }
    for (const agent of [s1, a1, a2] as Agent[]) {
      await install(agent, work)
      await install(agent, many)
    }
    await install(s1 as Agent, numbered)
    await install(s1 as Agent, fetched)
    await settled('work', 6)
    await settled('many', 36)
    await settled('numbered', 3)
    await settled('fetched', 2)
    served = await pageOn(s1 as Agent)
    if (chromium === null) return
    page = await chromium.context.newPage()
    page.on('pageerror', error => problems.push(error.message))
  })
  after(async () => {
    served?.stop()
    await chromium?.close()
  })

  const open = async (path: string, heading: RegExp | string) => {
    await page.goto(at(served.url, path))
    await shown(page, heading)
    await page.getByText('live', { exact: true }).waitFor()
  }

  /** Reads what it would do, says yes, and waits for what came of it. @param within only the buttons of this form */
  const press = async (act: string, button: string, would: RegExp, did: RegExp) => {
    pressed.add(act)
    await page.getByRole('button', { name: `${button}…`, exact: true }).click()
    const dialog = page.getByRole('dialog')
    const yes = dialog.getByRole('button', { name: `Yes, ${act}`, exact: true })
    await dialog.locator('pre').filter({ hasText: would }).waitFor({ timeout: 20_000 })
    await yes.click()
    await dialog.locator('pre').filter({ hasText: did }).waitFor({ timeout: 60_000 })
    await dialog.getByRole('button', { name: /Close|No/ }).click()
  }

  const told = async (service: string): Promise<Asked[]> =>
    JSON.parse(await program('events', [service, '--json', '--http-addr', (s1 as Agent).http]))
  const pagesOf = {
    work: '/service?service=work',
    partition: '/partition?service=work&partition=3',
    instance: '/instance?service=work&instance=a1:work',
    roll: '/roll?service=work',
    ask: '/ask?service=numbered',
  }
  const test = (name: string, body: (t: { diagnostic: (line: string) => void }) => Promise<void>) =>
    it(name, async t => {
      if (chromium === null) return t.skip('chromium cannot be had on this machine')
      await body(t)
    })

  test('a worker that is killed on another machine is on screen', async t => {
    const { partitions } = await statusOf(s1 as Agent, 'many')
    const far = partitions.filter(({ instance }) => instance === 'a1:many')
    assert.equal(far.length, 12)
    const took: number[] = []
    for (const { partition } of far) {
      await open(`/partition?service=many&partition=${partition}`, /of many/)
      const restarts = page.locator('dl div', { hasText: 'restarts' }).locator('dd')
      assert.equal(await restarts.textContent(), '0')
      const files = instanceFiles((a1 as Agent).state, 'a1:many').partition(partition)
      const pid = Number(readLine(runnerOf(files).process)?.split(' ')[0])
      assert.ok(pid > 1)
      const begun = performance.now()
      process.kill(pid, 'SIGKILL')
      await until('it to be on screen', async see => see(await restarts.textContent()) === '1', {
        every: 20,
        deadline: 15_000,
      })
      took.push(Math.round(performance.now() - begun))
    }
    t.diagnostic(`kill -9 on another machine on screen after ${took.toSorted((a, b) => a - b).join(', ')} ms`)
  })

  test('partitions: hold, let go, restart, pin, unpin', async () => {
    await open(pagesOf.partition, /3 of work/)
    await press('hold', 'Hold', /would be held: 3|held: 3/, /held: 3/)
    await page.getByText('nobody').first().waitFor()
    await press('unhold', 'Let go', /let go: 3/, /let go: 3/)
    await settled('work', 6)
    await press('restart', 'Restart', /would restart 3/, /restarted 3/)
    await page.getByRole('combobox', { name: 'To' }).selectOption('s1:work')
    await press('pin', 'Pin', /pinned to s1:work/, /pinned to s1:work/)
    await page.getByRole('button', { name: 'Unpin…' }).waitFor()
    await press('unpin', 'Unpin', /no longer pinned|unpinned/, /no longer pinned: 3/)
    await settled('work', 6)
  })

  test('an instance: drain, and back', async () => {
    await open(pagesOf.instance, /a1:work/)
    await press('drain', 'Drain', /would move/, /a1:work is drained/)
    await press('undrain', 'Let it take part again', /not (be )?drained/, /a1:work is not drained/)
    await settled('work', 6)
  })

  test('a service: freeze, thaw, scale, fetch the source now', async () => {
    await open(pagesOf.work, 'work')
    await page.getByRole('textbox', { name: 'Why' }).fill('a test')
    await press('freeze', 'Freeze', /work would be frozen/, /work is frozen/)
    await page.locator('p.summary', { hasText: 'FROZEN' }).waitFor()
    await press('thaw', 'Thaw', /work would be not frozen/, /work is not frozen/)
    await open('/service?service=numbered', 'numbered')
    await page.getByRole('textbox', { name: 'Number of partitions' }).fill('4')
    await press('scale', 'Scale', /4/, /4/)
    await settled('numbered', 4)
    writeFileSync(join(shared().root, 'set.json'), '["x","y","z"]')
    await open('/service?service=fetched', 'fetched')
    await press('sync', 'Fetch the source now', /would fetch/, /added|z/)
    await settled('fetched', 3)
    fetches.push(...(await told('fetched'))) // a purge removes them
  })

  test('a scheduler: its action, with an argument', async () => {
    await open(pagesOf.ask, /ask the scheduler/)
    assert.deepEqual(await violations(page), [])
    await page.getByRole('textbox', { name: 'zone' }).fill('b <i>')
    await press('ask', 'spread', /would ask the scheduler on s1:numbered: spread zone=b <i>/, /moved to b <i>/)
    await open('/plan?service=numbered', /what if/)
    await page.getByText('nothing to do <b>').waitFor()
    assert.deepEqual(await violations(page), [])
    assert.equal((await told('numbered')).find(({ what }) => what === 'scheduler asked')?.why, 'spread zone=b <i>')
  })

  test('a roll-out: begin, proceed, pause, resume, skip, revert', async () => {
    const state = (what: RegExp) => page.locator('p.summary').filter({ hasText: what }).waitFor({ timeout: 60_000 })
    await open(pagesOf.work, 'work')
    await page.getByRole('textbox', { name: 'Version' }).fill('2-crash')
    await page.getByRole('textbox', { name: 'Settle' }).fill('1s')
    await press('roll', 'Roll', /the roll to 2-crash would begin, for 6 partitions[\s\S]*step 1 of 1/, /has begun/)
    await open(pagesOf.roll, /roll-out/)
    await state(/STOPPED/)
    assert.deepEqual(await violations(page), [])
    await press('roll-skip', 'Skip what is not well', /would wait no longer for 0/, /under way/)
    await press('roll-pause', 'Pause', /nothing more would be restarted/, /paused/)
    await press('roll-resume', 'Resume', /would go on with/, /under way|STOPPED/)
    await page.getByRole('button', { name: 'Revert…' }).waitFor({ timeout: 30_000 })
    await press('roll-revert', 'Revert', /would be restarted in the version before/, /goes back/)
    await state(/went back/)
    await page.getByRole('textbox', { name: 'Version' }).fill('3')
    await page.getByRole('textbox', { name: 'Canary' }).fill('1')
    await page.getByRole('textbox', { name: 'Settle' }).fill('1s')
    await page.getByLabel('each step waits').check()
    await press('roll', 'Roll', /each step then waits for --proceed/, /has begun/)
    await page.getByRole('button', { name: 'Proceed…' }).waitFor({ timeout: 60_000 })
    const three = page.locator('.versions', { hasText: '1 3' })
    await three.waitFor()
    assert.deepEqual(await violations(page), [])
    await press('roll-proceed', 'Proceed', /step 2 of 2 would go on with 5 partitions: 1, 2, 3, 4, 5/, /under way/)
    await state(/roll to 3: done/)
    await page.locator('.versions', { hasText: '6 3' }).waitFor()
    await settled('work', 6)
  })

  test('evict a dead instance, and purge a service that is gone', async () => {
    await (a2 as Agent).stop('SIGKILL')
    await open('/instance?service=work&instance=a2:work', /a2:work/)
    await page
      .locator('p.summary')
      .filter({ hasNotText: /^member/ })
      .waitFor({ timeout: 30_000 })
    await press('evict', 'Evict', /would evict a2:work/, /evicted a2:work/)
    await settled('work', 6)
    const { http, state, configDir } = s1 as Agent
    await program('leave', ['fetched', '--state', state, '--http-addr', http])
    await rm(join(configDir, 'watchbill-fetched.json'))
    await (s1 as Agent).reload()
    await open('/service?service=fetched', 'fetched')
    await press('purge', 'Purge', /would purge fetched: \d+ keys/, /purged fetched: \d+ keys/)
    await page.goto(at(served.url, '/'))
    await shown(page, 'Services')
    assert.equal(await page.getByRole('link', { name: 'fetched', exact: true }).count(), 0)
  })

  test('none was left out, and each change is an event with who asked for it', async () => {
    assert.deepEqual(
      [...acts.keys()].filter(name => !pressed.has(name)),
      [],
    )
    const events = [...(await told('work')), ...(await told('numbered')), ...fetches]
    for (const what of [
      ...[
        'held 3',
        'let go 3',
        'restart asked 3',
        'pinned 3',
        'unpinned 3',
        'drained',
        'drain ended',
        'frozen',
        'thawed',
      ],
      ...[
        'scaled',
        'scheduler asked',
        'fetch asked',
        'evicted',
        'roll-out begun',
        'roll-out paused',
        'roll-out resumed',
      ],
      ...['roll-out told to proceed', 'roll-out told to skip', 'roll-out told to revert'],
    ]) {
      const found = events.find(event => [event.what, ...event.partitions].join(' ') === what)
      assert.match(found?.by ?? '', /^\S+@\S+$/, `${what} is no event with who asked for it`)
    }
    assert.deepEqual(problems, [])
  })
})
