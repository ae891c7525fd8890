/** Starts the page as its program says, and serves until the end. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Consul } from '../consul/http.ts'
import { debugLine, print, remark } from '../program/frame.ts'
import { reachConsul } from '../program/instance-args.ts'
import { whoAsks } from '../program/operator.ts'
import { pageApp } from './app.ts'
import { assetsHere } from './assets.ts'
import { Here } from './here/here.ts'
import { html } from './html.ts'
import { certificateFrom, listenFrom } from './listen.ts'
import { ownPower, type Power, tokenPower } from './power.ts'
import { serve } from './serve.ts'

export interface PageWords {
  readonly listen: string | undefined
  readonly open: boolean
  /** ms */
  readonly idle: number | null
  readonly askToken: boolean
  readonly documents: boolean
  readonly logs: boolean
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly names: readonly string[]
  readonly state: string
  readonly address: string | undefined
  readonly tokenFile: string | undefined
}

/** Resolves once it has ended. @throws Permanent when it cannot be started so */
export async function startPage(words: PageWords): Promise<void> {
  const listen = listenFrom(words.listen, process.env, process.pid)
  const certificate = certificateFrom(listen, words.cert, words.key)
  reachConsul(words.address, words.tokenFile)
  const secret = randomBytes(24).toString('base64url')
  const isFile = listen.kind === 'unix'
  const power = powerOf(words.askToken, secret, isFile)
  const served = await serve({
    ...{ listen, certificate, names: words.names, idle: words.idle },
    app: await appFor(words, power, isFile && !words.askToken ? secret : null),
  })
  const url = words.askToken || isFile ? served.url : `${served.url}#secret=${secret}`
  tell(url, served.url, words)
  const opened = words.open ? openIn(url) : null
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, served.stop)
  const why = await served.over
  power.close()
  if (opened !== null) rmSync(opened, { recursive: true, force: true })
  if (why === 'idle') remark('page: nobody has been there; it ends')
}

function powerOf(askToken: boolean, secret: string, isFile: boolean): Power {
  if (askToken) return tokenPower(process.env, debugLine)
  const consul: Consul = new Consul({ debug: debugLine, by: () => whoAsks(consul) })
  return ownPower(consul, secret, isFile ? 'nothing' : 'secret')
}

async function appFor({ state, documents, logs }: PageWords, power: Power, secretForAll: string | null) {
  const assets = await assetsHere()
  const here = new Here(state)
  return (doorway: Parameters<typeof pageApp>[0]['doorway'], used: () => void) =>
    pageApp({ power, here, assets, doorway, used, shows: { documents, logs }, secretForAll })
}

/** On a socket of systemd's nobody reads along: the journal is not told where the page is. */
function tell(url: string, plain: string, { askToken }: PageWords): void {
  const how = plain.startsWith('unix://')
    ? `from elsewhere: ssh -L 8080:${plain.slice('unix://'.length)} <this machine>`
    : ''
  print([`${askToken ? 'asks for a Consul token at' : 'the page is at'} ${url}`, ...(how ? [how] : [])])
}

/** By a file that only this user can read: arguments of programs can be read by everybody. @returns its directory */
function openIn(url: string): string {
  const directory = mkdtempSync(join(process.env.XDG_RUNTIME_DIR || tmpdir(), 'watchbill-page-'))
  const file = join(directory, 'open.html')
  const page = html`<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="${`0;url=${url}`}"><title>watchbill</title>`
  writeFileSync(file, page.text, { mode: 0o600 })
  const opener = spawn('xdg-open', [file], { stdio: 'ignore', detached: true })
  opener.on('error', () => remark(`page: there is no xdg-open here; open ${url}`))
  opener.unref()
  return directory
}
