/** Debian's chromium, for tests of the page: a new profile each time, and nothing that asks the network. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { haveProgram } from '../lab/debian.ts'

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
]

export interface Browser {
  readonly context: BrowserContext
  readonly close: () => Promise<void>
}

/** Null when this machine cannot have it. */
export async function browser(): Promise<Browser | null> {
  if (!(await haveProgram('chromium', 'chromium', line => process.stderr.write(`${line}\n`)))) return null
  const profile = mkdtempSync(join(tmpdir(), 'watchbill-chromium-'))
  const context = await chromium.launchPersistentContext(profile, { executablePath: '/usr/bin/chromium', args: flags })
  const close = async () => {
    await context.close()
    rmSync(profile, { recursive: true, force: true })
  }
  return { context, close }
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core finds wrong, a line each: WCAG 2.2 A and AA, and its best practices. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run()
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`),
    )
  })
}

interface Axe {
  readonly run: () => Promise<{
    readonly violations: readonly {
      readonly id: string
      readonly nodes: readonly { html: string; failureSummary?: string }[]
    }[]
  }>
}

/** Waits until the view is there and live. */
export async function shown(page: Page, heading: string | RegExp): Promise<void> {
  await page.getByRole('heading', { level: 1, name: heading }).waitFor({ timeout: 15_000 })
}

/** The address with the secret. */
export function at(url: string, path: string): string {
  const [origin = '', secret = ''] = url.split('/#')
  return `${origin}${path}#${secret}`
}
