/** The page around every view. It holds no data: the client asks for the view, with the secret or the token. */
import { type Html, html, link } from './html.ts'
import type { Query, View } from './view.ts'

export interface Assets {
  readonly script: string
  readonly style: string
  /** Part of their addresses, so that a browser may keep them. */
  readonly hash: string
}

/** @param secret only behind a Unix socket, whose permissions let nobody else come so far */
export function shell({ hash }: Assets, asks: string, secret: string | null): string {
  const page = html`<html lang="en"><head><meta charset="utf-8"><title>watchbill</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<meta name="asks" content="${asks}">${secret !== null && html`<meta name="secret" content="${secret}">`}
<link rel="icon" href="${`/icon-${hash}.svg`}"><link rel="stylesheet" href="${`/page-${hash}.css`}"><script type="module" src="${`/page-${hash}.js`}"></script></head>
<body><a class="skip" href="#main">To the content</a>
<header><nav aria-label="views"><a class="name" href="/">watchbill</a> <a href="/">Services</a> <a href="/events">Events</a></nav>
<p class="live" data-live-state>connecting &hellip;</p></header>
<div class="away" role="alert" data-away hidden></div>
<main id="main" tabindex="-1"><noscript>This page needs its script: every view is also there as JSON, and on the command line.</noscript></main>
<div class="sr" aria-live="polite" data-said></div>
<dialog data-dialog aria-labelledby="asked"></dialog></body></html>`
  return `<!doctype html>\n${page.text}`
}

/** A view's own part of the page. */
export function part(view: View<unknown>, data: unknown, more: Html | undefined, query: Query): string {
  const { service } = query
  const nav =
    service === undefined || view.path === '/service'
      ? html``
      : html`<a href="${link('/service', { service })}">${service}</a> &rsaquo; `
  const body: Html = html`<h1 tabindex="-1">${nav}${view.title(query)}</h1>${view.html?.(data, query)}${more}
<p class="same">The same on the command line: <code data-copy>${view.command(query)}</code></p>`
  return body.text
}

export const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4" fill="#1a7f37"/><path d="M5 2v3l2 1" stroke="#fff" fill="none"/></svg>'
