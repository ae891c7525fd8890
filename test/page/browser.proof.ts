/** The page in a real browser, on the model of Consul: what it shows, what it must never show, and who can use it. */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { readStatus } from '../../lib/operate/status/status.ts'
import { pageApp } from '../../lib/page/app.ts'
import { assetsHere } from '../../lib/page/assets.ts'
import { Here } from '../../lib/page/here/here.ts'
import { ownPower } from '../../lib/page/power.ts'
import { serve } from '../../lib/page/serve.ts'
import type { FakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'
import { rollOf } from '../roll/records.ts'
import { type Browser, browser, shown, violations } from './browser.ts'
import { blocking, keys, secret, serviceIn } from './page.ts'

let chromium: Browser | null = null
before(async () => {
  chromium = await browser()
})
after(() => chromium?.close())

interface Stage {
  readonly fake: FakeConsul
  readonly page: Page
  readonly problems: string[]
  readonly open: (path: string, heading: string | RegExp) => Promise<void>
}

async function stage(t: TestContext, machines = ['a', 'b'], partitions = 2): Promise<Stage | null> {
  if (chromium === null) {
    t.skip('chromium cannot be had on this machine')
    return null
  }
  const fake = await serviceIn(t, machines, partitions)
  blocking(fake)
  const power = ownPower(fake.consul.another(5000), secret)
  const assets = await assetsHere()
  const served = await serve({
    ...{ listen: { kind: 'address', host: '127.0.0.1', port: 0 }, certificate: null, names: [], idle: null },
    app: (doorway, used) =>
      pageApp({
        ...{ power, here: new Here(directory(t)), assets, doorway, used, secretForAll: null },
        shows: { documents: true, logs: true },
      }),
  })
  const page = await chromium.context.newPage()
  const problems: string[] = []
  page.on('console', message => message.type() === 'error' && problems.push(message.text()))
  page.on('pageerror', error => problems.push(error.message))
  page.on('dialog', dialog => problems.push(`a dialog: ${dialog.message()}`))
  t.after(async () => {
    await page.close()
    served.stop()
    power.close()
    await served.over
  })
  const open = async (path: string, heading: string | RegExp) => {
    await page.goto(`${served.url.slice(0, -1)}${path}#secret=${secret}`)
    await shown(page, heading)
  }
  return { fake, page, problems, open }
}

const views: [path: string, heading: string | RegExp][] = [
  ['/', 'Services'],
  ['/service?service=svc', 'svc'],
  ['/partition?service=svc&partition=0', /0 of svc/],
  ['/instance?service=svc&instance=a:svc', /a:svc of svc/],
  ['/machine?node=a', 'a'],
  ['/plan?service=svc&drain=a', /what if/],
  ['/roll?service=svc', /roll-out/],
  ['/ask?service=svc', /ask the scheduler/],
  ['/events', 'Events'],
]

/** A roll-out that has stopped, and a scheduler with an action that waits. */
function busy({ memory }: FakeConsul): void {
  const put = (key: string, value: object) => memory.put(key, JSON.stringify(value))
  const stopped = { state: 'stopped', before: 'rolling', why: '0 on a:svc ended 3 times', cursor: '0' } as const
  put(keys.roll, rollOf({ ...stopped, steps: [{ number: 1 }, { percent: 100 }], reached: 1, of: 2 }))
  put(keys.settings, { drained: [], epoch: 0, held: [], version: '1.0', roll: { id: 'r1', to: '2.0' } })
  const arguments_ = { zone: 'which zone' }
  put(keys.duty('scheduler'), { by: 'b:svc', actions: { spread: { title: 'Spread out', arguments: arguments_ } } })
  put(keys.ask('x1'), { action: 'spread', arguments: { zone: 'b' }, at: '2026-01-01T00:00:00Z' })
}

describe('the page in a browser', () => {
  it('has no violation that axe-core finds, on any view, light or dark, wide or narrow', async t => {
    const found = await stage(t)
    if (found === null) return
    const { fake, page, open, problems } = found
    fake.memory.put(keys.report('a:svc'), '{"0":"crash-looping since 1700000000: exit 1"}')
    busy(fake)
    for (const [path, heading] of views)
      for (const colorScheme of ['light', 'dark'] as const)
        for (const width of [1280, 360, 3840]) {
          await page.setViewportSize({ width, height: 800 })
          await page.emulateMedia({ colorScheme })
          await open(path, heading)
          assert.deepEqual(await violations(page), [], `${path} ${colorScheme} ${width}`)
          const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
          assert.ok(wide <= 0, `${path} at ${width}: ${wide} px too wide`)
        }
    assert.deepEqual(problems, [])
  })

  it('every view can be gone through by keyboard alone, and what has the focus is seen', async t => {
    const found = await stage(t)
    if (found === null) return
    const { fake, page, open } = found
    busy(fake)
    for (const [path, heading] of views) {
      await open(path, heading)
      await page.getByText('live', { exact: true }).waitFor()
      const all = await page.evaluate<number>(
        `[...document.querySelectorAll('a, button:enabled, input:not([type=hidden]), select, [tabindex="0"]')].filter(one => one.checkVisibility()).length`,
      )
      const reached = new Set<string>()
      await page.evaluate('document.activeElement.blur()')
      for (let step = 0; step < all + 2; step++) {
        await page.keyboard.press('Tab')
        const [place, outline] = await page.evaluate<[string, string]>(`(() => {
          const one = document.activeElement
          const path = []
          for (let at = one; at.parentElement; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at))
          return [path.join('.'), getComputedStyle(one).outlineStyle]
        })()`)
        if (place === '1') continue // the body: all have had their turn
        reached.add(place)
        assert.notEqual(outline, 'none', `${path}: ${place} has the focus, and nobody sees it`)
      }
      assert.equal(reached.size, all, `${path}: not all are reached`)
    }
  })

  it('asks the scheduler by keyboard alone, with the argument that was typed', async t => {
    const found = await stage(t)
    if (found === null) return
    const { fake, page, open } = found
    busy(fake)
    await open('/ask?service=svc', /ask the scheduler/)
    await page.getByRole('textbox', { name: 'zone' }).focus()
    await page.keyboard.type('b <i>')
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('would ask the scheduler on b:svc: spread zone=b <i> (Spread out)').waitFor()
    assert.deepEqual(await violations(page), [])
    await page.keyboard.press('Escape')
    assert.ok(!fake.memory.keys.has(keys.asked))
  })

  it('shows the words of status, and a change within 2 s', async t => {
    const found = await stage(t)
    if (found === null) return
    const { fake, page, open } = found
    await open('/service?service=svc', 'svc')
    await page.getByText('live', { exact: true }).waitFor()
    const status = await readStatus(fake.consul, 'svc')
    assert.equal(await page.locator('p.summary').textContent(), status.summary)
    const begun = performance.now()
    fake.memory.put(keys.report('a:svc'), '{"0":"crash-looping since 1700000000: exit 127"}')
    await page.getByText('exit 127 (command not found)').first().waitFor({ timeout: 2000 })
    t.diagnostic(`on screen after ${Math.round(performance.now() - begun)} ms`)
    const { partitions } = await readStatus(fake.consul, 'svc')
    assert.ok((await page.locator('main').textContent())?.includes(partitions[0]?.why as string))
  })

  it('keeps the last picture, greyed, while Consul is away, and comes back by itself', async t => {
    const found = await stage(t)
    if (found === null) return
    const { fake, page, open } = found
    await open('/service?service=svc', 'svc')
    await page.getByText('live', { exact: true }).waitFor()
    const usual = fake.script
    fake.script = () => ({ cut: true })
    fake.memory.put(keys.report('a:svc'), '{}')
    await page.getByText('Consul is away').waitFor({ timeout: 10_000 })
    assert.ok(await page.evaluate<boolean>("document.documentElement.classList.contains('stale')"))
    assert.ok(await page.locator('p.summary').isVisible())
    fake.script = usual
    await page.getByText('live', { exact: true }).waitFor({ timeout: 10_000 })
    assert.ok(!(await page.evaluate<boolean>("document.documentElement.classList.contains('stale')")))
  })

  it('asks once before it changes anything, by keyboard alone, and shows the result', async t => {
    const found = await stage(t)
    if (found === null) return
    const { fake, page, open, problems } = found
    await open('/instance?service=svc&instance=a:svc', /a:svc/)
    const drained = () => (fake.memory.value(keys.settings) as { drained: string[] }).drained
    await page.getByRole('button', { name: 'Drain…', exact: true }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('1 partition would move').waitFor()
    assert.ok(await dialog.getByText('watchbill drain svc a:svc').isVisible())
    assert.deepEqual(await violations(page), [])
    await page.keyboard.press('Escape')
    assert.deepEqual(drained(), [])
    await page.keyboard.press('Enter')
    await dialog.getByRole('button', { name: 'Yes, drain' }).waitFor()
    await page.keyboard.press('Enter')
    await dialog.getByText('a:svc is drained').waitFor()
    assert.deepEqual(drained(), ['a:svc'])
    await page.locator('p.summary', { hasText: 'drained' }).waitFor()
    assert.deepEqual(problems, [])
  })

  it('runs nothing that stands in Consul', async t => {
    const found = await stage(t)
    if (found === null) return
    const { fake, page, open, problems } = found
    const nasty = '<img src=x onerror=alert(1)><script>alert(2)</script>'
    fake.memory.put(keys.partition(nasty), JSON.stringify({ from: 'hand', document: nasty }))
    fake.memory.put(keys.report('a:svc'), JSON.stringify({ 0: `failing: ${nasty}` }))
    await open('/service?service=svc', 'svc')
    await page.getByRole('link', { name: nasty }).click()
    await shown(page, /of svc/)
    await page.getByRole('button', { name: 'Show the document' }).click()
    await page.getByText(JSON.stringify(nasty)).waitFor()
    assert.equal(await page.locator('main img, main script').count(), 0)
    assert.deepEqual(problems, [])
  })

  it('asks for the secret where there is none, and it is in no address', async t => {
    const found = await stage(t)
    if (found === null) return
    const { page, open } = found
    await open('/', 'Services')
    assert.ok(!page.url().includes('secret'))
    await open('/', 'Services') // in the same tab: no new load
    await page.waitForURL(url => url.hash === '')
    await page.evaluate('sessionStorage.clear()')
    await page.reload()
    await shown(page, 'A secret is needed')
    await page.getByLabel(/Secret/).fill('guess')
    await page.keyboard.press('Enter')
    await page.getByText('this is not the secret').waitFor()
    await page.getByLabel(/Secret/).fill(secret)
    await page.keyboard.press('Enter')
    await shown(page, 'Services')
  })

  for (const [machines, partitions] of [
    [10, 500],
    [100, 10_000],
  ] as const)
    it(`shows ${partitions} partitions of ${machines} instances, of use at once`, async t => {
      const names = Array.from({ length: machines }, (_, at) => `n${at}`)
      const found = await stage(t, names, partitions)
      if (found === null) return
      const { page, open, fake } = found
      await open('/events', 'Events')
      const begun = performance.now()
      await open('/service?service=svc', 'svc')
      const took = Math.round(performance.now() - begun)
      const looked = performance.now()
      await readStatus(fake.consul, 'svc')
      const look = Math.round(performance.now() - looked)
      const found500 = performance.now()
      await page.getByLabel('Filter').fill(`n7:svc`)
      await page.getByText(`${partitions / machines} of ${partitions}`).waitFor()
      const filtered = Math.round(performance.now() - found500)
      t.diagnostic(
        `${partitions} × ${machines}: first view ${took} ms, of which one look ${look} ms; a filter ${filtered} ms`,
      )
      assert.equal(await page.locator('.grid svg').count(), machines)
      assert.ok(took < 10_000)
    })
})
