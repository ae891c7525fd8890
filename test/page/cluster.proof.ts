/**
 * The demo's cluster on the page, in a real browser, while instances join, die, drain and leave; every button that changes
 * something there; a worker that is killed. With SHOTS=<folder> it also takes the screenshots of docs/page/: see shots.ts.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { clusterOptions, definitionFor, play, statusOf } from '../../examples/demo/story.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { program } from '../lab/install.ts'
import { pageOn } from '../lab/page.ts'
import { until } from '../lab/until.ts'
import { at, browser, shown, violations } from './browser.ts'

const shots = process.env.SHOTS

test('the demo on the page', { timeout: 420_000 }, async t => {
  const chromium = await browser()
  if (chromium === null) return t.skip('chromium cannot be had on this machine')
  t.after(() => chromium.close())
  const cluster = await clusterFor(t, clusterOptions)
  await mkdir(join(cluster.root, 'ledgers'))
  await writeFile(join(cluster.root, 'beats'), '')
  const [s1] = cluster.agents
  assert.ok(s1)
  const served = await pageOn(s1)
  t.after(served.stop)
  const { context } = chromium
  const page = await context.newPage()
  const problems: string[] = []
  page.on(
    'console',
    message => message.type() === 'error' && !/503|404/.test(message.text()) && problems.push(message.text()),
  )
  page.on('pageerror', error => problems.push(error.message))
  const go = async (path: string) => {
    await page.goto('about:blank') // the same address again would only be another fragment: no new load
    await page.goto(at(served.url, path))
  }
  const summary = async () => (await page.locator('p.summary').first().textContent()) ?? ''
  const agrees = (what: string) =>
    until(`the page to say what status says after: ${what}`, async see => {
      const status = await statusOf(s1)
      return see(await summary()) === status.summary
    })

  await t.test('joins, a death, a drain and a leave are on screen as status says them', async () => {
    // What stands on the page meanwhile: before the first instance has joined there is no such service yet.
    const texts = new Set<string>()
    let over = false
    const looking = (async () => {
      await until('the service to be there', async see => see((await statusOf(s1)).instances.length) > 0, {
        deadline: 60_000,
      })
      await go('/service?service=demo')
      await shown(page, 'demo')
      for (; !over; await delay(100)) texts.add(await summary())
    })()
    await play({
      ...{ cluster, definition: definitionFor(cluster.root), signal: new AbortController().signal },
      say: line => t.diagnostic(line),
    })
    over = true
    await looking
    for (const words of [
      '12 partitions on 3 members',
      '12 partitions on 2 members',
      '12 partitions on 1 members',
      'waiting',
      'moving',
    ])
      assert.ok(
        [...texts].some(text => text.includes(words)),
        `${words} was not on the page: ${[...texts].join(' | ')}`,
      )
    await go('/service?service=demo')
    await shown(page, 'demo')
    await agrees('the story')
    assert.deepEqual(await violations(page), [])
  })

  await t.test('a worker that is killed is seen within 2 s', async () => {
    const { partitions } = await statusOf(s1)
    const own = partitions.find(({ instance }) => instance === 's1:demo')
    assert.ok(own)
    await go(`/partition?service=demo&partition=${own.partition}`)
    await shown(page, /of demo/)
    await page.getByText('live', { exact: true }).waitFor()
    const pid = page.locator('dl div', { hasText: 'pid' }).locator('dd')
    const before = Number(await pid.textContent())
    assert.ok(before > 1)
    const begun = performance.now()
    process.kill(before, 'SIGKILL')
    await until('another pid on screen', async see => see(Number(await pid.textContent())) !== before, {
      every: 20,
      deadline: 5000,
    })
    const took = Math.round(performance.now() - begun)
    t.diagnostic(`kill -9 of a worker on screen after ${took} ms`)
    assert.ok(took < 2000, `${took} ms`)
    await until('it to run again', async see => see(Number(await pid.textContent())) > 1)
  })

  await t.test('every button does what it says', async () => {
    const press = async (
      path: string,
      heading: RegExp | string,
      button: string,
      act: string,
      result: RegExp,
      fill?: (page: Page) => Promise<void>,
    ) => {
      await go(path)
      await shown(page, heading)
      await fill?.(page)
      await page.getByRole('button', { name: `${button}…`, exact: true }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByRole('button', { name: `Yes, ${act}`, exact: true }).click()
      await dialog.getByText(result).waitFor({ timeout: 30_000 })
      await dialog.getByRole('button', { name: /Close|No/ }).click()
    }
    const service = '/service?service=demo'
    const instance = '/instance?service=demo&instance=a3:demo'
    const partition = '/partition?service=demo&partition=3'
    await press(instance, /a3/, 'Drain', 'drain', /a3:demo is drained/)
    await press(instance, /a3/, 'Let it take part again', 'undrain', /a3:demo is not drained/)
    await press(partition, /3 of demo/, 'Hold', 'hold', /held: 3/)
    await press(partition, /3 of demo/, 'Let go', 'unhold', /let go: 3/)
    await until(
      '3 to run',
      async see => see((await statusOf(s1)).partitions.find(one => one.partition === '3'))?.state === 'running',
    )
    await press(partition, /3 of demo/, 'Restart', 'restart', /restarted 3/)
    await press(partition, /3 of demo/, 'Pin', 'pin', /pinned to/, one =>
      one
        .getByRole('combobox', { name: 'To' })
        .selectOption('s1:demo')
        .then(() => {}),
    )
    await press(partition, /3 of demo/, 'Unpin', 'unpin', /no longer pinned: 3/)
    await press(service, 'demo', 'Freeze', 'freeze', /demo is frozen/)
    await press(service, 'demo', 'Thaw', 'thaw', /demo is not frozen/)
    for (const [button, why] of [
      ['Purge', /cannot purge demo/],
      ['Scale', /its partitions have names|its partitions/],
    ] as const) {
      await go(service)
      await shown(page, 'demo')
      if (button === 'Scale') await page.getByLabel('Number of partitions').fill('13')
      await page.getByRole('button', { name: `${button}…`, exact: true }).click()
      const dialog = page.getByRole('dialog')
      await dialog
        .getByText(why)
        .or(dialog.getByRole('button', { name: 'Yes, scale' }))
        .first()
        .waitFor()
      await page.keyboard.press('Escape')
    }
    const events = await program('events', ['demo', '--http-addr', s1.http])
    for (const what of [
      'drained a3:demo',
      'drain ended a3:demo',
      'held',
      'let go',
      'restart asked',
      'pinned',
      'unpinned',
      'frozen',
      'thawed',
    ])
      assert.match(events, new RegExp(what))
    await go(service)
    await shown(page, 'demo')
    await agrees('the buttons')
  })

  assert.deepEqual(problems, [])
  if (shots) await t.test('the screenshots', () => shoot(page, shots, path => go(path)))
})

async function shoot(page: Page, folder: string, go: (path: string) => Promise<unknown>): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const views = {
    services: ['/', 'Services'],
    service: ['/service?service=demo', 'demo'],
    partition: ['/partition?service=demo&partition=3', /of demo/],
    instance: ['/instance?service=demo&instance=s1:demo', /s1:demo/],
    machine: ['/machine?node=s1', 's1'],
    plan: ['/plan?service=demo&drain=s1', /what if/],
  } as const
  for (const [name, [path, heading]] of Object.entries(views))
    for (const [width, height] of [
      [1280, 800],
      [390, 844],
    ] as const)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.setViewportSize({ width, height })
        await page.emulateMedia({ colorScheme })
        await go(path)
        await shown(page, heading)
        await page.getByText('live', { exact: true }).waitFor()
        if (name === 'partition' || name === 'instance') await page.locator('.curves canvas').first().waitFor()
        assert.deepEqual(await violations(page), [], `${name} ${width} ${colorScheme}`)
        await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) })
      }
}
