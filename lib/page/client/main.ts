/** The page's script: asks for views and shows them, keeps them as they are now, and does what buttons say. */
import './page.css'
import { onActs } from './acts.ts'
import { drawCurves } from './curves.ts'
import { onGrid } from './grid.ts'
import { asksToken, dropKey, hasKey, keyHeaders, setKey, takeSecret } from './key.ts'
import { morph } from './morph.ts'
import { listen } from './news.ts'

const main = document.querySelector('main') as HTMLElement
const state = document.querySelector('[data-live-state]') as HTMLElement
const away = document.querySelector('[data-away]') as HTMLElement
const said = document.querySelector('[data-said]') as HTMLElement

/** The least time between two looks of the same view, ms. */
const pace = 250

let asking = false
let again = false
let service: string | null = null
let stop = () => {}
let lastAway: string | null = null
let connected = false
let listening = false
let shownText = ''

/** Asks for the view of this address, and makes the page like it. @param anew it is another view: begin at its top */
async function show(anew: boolean): Promise<void> {
  if (!hasKey()) return askForKey('')
  if (asking && !anew) {
    again = true
    return
  }
  asking = true
  const address = location.pathname + location.search
  try {
    const answer = await fetch(address, { headers: { ...keyHeaders(), 'watchbill-part': '1', accept: 'text/html' } })
    if (address !== location.pathname + location.search) return
    const text = await answer.text()
    if (answer.ok) put(text, anew)
    else if (answer.status === 401) return refused(errorIn(text))
    else if (answer.status === 503) nothingNew(errorIn(text))
    else put(problem(errorIn(text)), anew)
  } catch {
    nothingNew('the page’s program does not answer: is it still running?')
  } finally {
    asking = false
  }
  if (again) {
    again = false
    setTimeout(() => void show(false), pace)
  }
}

/** The news say when to ask again. */
function nothingNew(why: string): void {
  isAway(why)
  follow()
}

function put(text: string, anew: boolean): void {
  // The first look is made again once the news are there, and mostly finds the same.
  if (!anew && text === shownText) {
    if (connected) isAway(lastAway)
    return
  }
  shownText = text
  const fresh = document.createElement('main')
  fresh.innerHTML = text // from our own program, which escapes all values; the policy of the page lets nothing in it run
  const heading = fresh.querySelector('h1')?.textContent ?? 'watchbill'
  if (anew) main.replaceChildren(...fresh.childNodes)
  else morph(main, copyOfMain(fresh))
  document.title = `${heading} · watchbill`
  if (connected) isAway(lastAway)
  ages()
  for (const box of main.querySelectorAll<HTMLElement>('[data-curves]')) void drawCurves(box)
  if (!anew) return
  scrollTo(0, 0)
  main.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  follow()
}

/** `main` keeps its own attributes. */
function copyOfMain(fresh: HTMLElement): HTMLElement {
  for (const { name, value } of main.attributes) fresh.setAttribute(name, value)
  return fresh
}

function problem(why: string): string {
  const paragraph = document.createElement('p')
  paragraph.className = 'problem'
  paragraph.textContent = why
  return `<h1 tabindex="-1">watchbill</h1>${paragraph.outerHTML}`
}

function errorIn(text: string): string {
  try {
    return String(JSON.parse(text).error)
  } catch {
    return 'the answer cannot be read'
  }
}

/** The last picture stays, greyed, with the reason above it; null: all is as it should be. */
function isAway(why: string | null): void {
  document.documentElement.classList.toggle('stale', why !== null)
  away.hidden = why === null
  if (away.textContent !== (why ?? '')) away.textContent = why ?? ''
  state.textContent = why === null ? 'live' : 'not live'
}

/** The news of the service that is looked at; the stream goes on while that is the same. */
function follow(): void {
  const now = new URLSearchParams(location.search).get('service')
  if (listening && now === service) return
  stop()
  listening = true
  lastAway = null
  service = now
  stop = listen(now, {
    there(is, status) {
      connected = is
      if (status === 401) return refused('this page no longer knows you')
      if (is) {
        isAway(lastAway)
        void show(false) // something may have happened before the stream was there
      } else
        isAway(
          status === 503
            ? 'there are too many viewers: it is tried again'
            : 'the page’s program does not answer: is it still running?',
        )
    },
    news({ kind, why }) {
      if (kind === 'away') lastAway = `Consul is away, this is the last picture: ${why}`
      if (kind === 'back') lastAway = null
      isAway(lastAway)
      if (kind !== 'away') void show(false)
    },
  })
}

function refused(why: string): void {
  stop()
  connected = false
  listening = false
  dropKey()
  askForKey(why)
}

function askForKey(why: string): void {
  shownText = ''
  const what = asksToken() ? 'Consul token' : 'Secret of the printed URL'
  const form = document.createElement('form')
  form.className = 'key'
  const label = document.createElement('label')
  const input = Object.assign(document.createElement('input'), {
    type: 'password',
    name: 'key',
    required: true,
    autocomplete: 'off',
  })
  label.append(`${what} `, input)
  const go = Object.assign(document.createElement('button'), { textContent: 'Show' })
  form.append(label, go)
  const heading = Object.assign(document.createElement('h1'), {
    textContent: asksToken() ? 'A token is needed' : 'A secret is needed',
  })
  const note = document.createElement('p')
  note.textContent = asksToken()
    ? 'This page has no power of its own: it shows and does what your token may. The token stays in the memory of this tab.'
    : 'Open the URL that watchbill page printed, or put the part after secret= here.'
  const told = Object.assign(document.createElement('p'), { className: 'problem', textContent: why })
  told.setAttribute('role', 'alert')
  main.replaceChildren(heading, note, form, ...(why === '' ? [] : [told]))
  state.textContent = 'not live'
  form.addEventListener('submit', event => {
    event.preventDefault()
    setKey(input.value.trim())
    void show(true)
  })
  input.focus()
}

function go(address: string): void {
  history.pushState(null, '', address)
  void show(true)
}

/** How long ago each time is. */
function ages(): void {
  for (const one of document.querySelectorAll('time')) {
    const since = (Date.now() - Date.parse(one.dateTime)) / 1000
    const words =
      since < 120
        ? `${Math.max(0, Math.round(since))} s`
        : since < 7200
          ? `${Math.floor(since / 60)} min`
          : `${Math.floor(since / 3600)} h`
    one.title = `${words} ago`
  }
}

async function showDocument(button: HTMLElement): Promise<void> {
  const query = new URLSearchParams(JSON.parse(button.dataset.document ?? '{}'))
  const answer = await fetch(`/document?${query}`, { headers: { ...keyHeaders(), accept: 'application/json' } })
  const shown = button.parentElement?.querySelector<HTMLElement>('[data-shown]')
  if (!shown) return
  const { document, error } = await answer.json()
  shown.textContent = error ?? document ?? 'it has none'
  shown.hidden = false
  shown.setAttribute('data-kept', '')
}

document.addEventListener('click', event => {
  const target = event.target as Element
  const link = target.closest?.('a')
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) && event.button === 0
  if (link && plain && link.origin === location.origin && !link.hash) {
    event.preventDefault()
    return go(link.pathname + link.search)
  }
  const documented = target.closest?.<HTMLElement>('[data-document]')
  if (documented) void showDocument(documented)
  const copied = target.closest?.('[data-copy]')
  if (copied)
    void navigator.clipboard?.writeText(copied.textContent ?? '').then(() => {
      said.textContent = 'copied'
    })
})

/** A form that asks only for a view is an address. */
function addressOf(form: HTMLFormElement): string {
  const query = new URLSearchParams()
  for (const [name, value] of new FormData(form)) if (value !== '') query.set(name, String(value))
  return `${form.getAttribute('action')}?${query}`
}

document.addEventListener('submit', event => {
  const form = event.target as HTMLFormElement
  if (form.dataset.act !== undefined || !form.hasAttribute('action')) return
  event.preventDefault()
  history.pushState(null, '', addressOf(form))
  void show(false)
})

document.addEventListener('input', event => {
  const form = (event.target as Element).closest<HTMLFormElement>('form[data-live]')
  if (!form) return
  history.replaceState(null, '', addressOf(form))
  void show(false)
})

addEventListener('popstate', () => {
  takeSecret() // the printed address was opened in a tab that shows the page already
  void show(true)
})
setInterval(ages, 5000)
onActs(() => void show(false))
onGrid(go)
takeSecret()
void show(true)
