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
  ['/events', 'Events'],
]

describe('the page in a browser', () => {
  it('has no violation that axe-core finds, on any view, light or dark, wide or narrow', async t => {
    const found = await stage(t)
    if (found === null) return
    const { fake, page, open, problems } = found
    fake.memory.put(keys.report('a:svc'), '{"0":"crash-looping since 1700000000: exit 1"}')
    for (const [path, heading] of views)
      for (const colorScheme of ['light', 'dark'] as const)
        for (const width of [1280, 360]) {
          await page.setViewportSize({ width, height: 800 })
          await page.emulateMedia({ colorScheme })
          await open(path, heading)
          assert.deepEqual(await violations(page), [], `${path} ${colorScheme} ${width}`)
          const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
          assert.ok(wide <= 0, `${path} at ${width}: ${wide} px too wide`)
        }
    assert.deepEqual(problems, [])
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
