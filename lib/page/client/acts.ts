/** Buttons: first what one would do, then the question, then what happens. */
import { keyHeaders } from './key.ts'

type Line = {
  readonly say?: string
  readonly done?: readonly string[]
  readonly command?: string
  readonly error?: string
}

export function onActs(changed: () => void): void {
  document.addEventListener('click', event => {
    const button = (event.target as Element).closest?.<HTMLElement>('button[data-act]')
    if (button) void begin(button.dataset.act ?? '', JSON.parse(button.dataset.args ?? '{}'), changed)
  })
  document.addEventListener('submit', event => {
    const form = event.target as HTMLFormElement
    if (form.dataset.act === undefined) return
    event.preventDefault()
    void begin(form.dataset.act, { ...JSON.parse(form.dataset.args ?? '{}'), ...fieldsOf(form) }, changed)
  })
}

/** What was filled in. Names such as `arguments.zone` become fields of one object. */
function fieldsOf(form: HTMLFormElement): Record<string, unknown> {
  const inner = 'arguments.'
  const all = [...new FormData(form)].map(([name, value]) => [name, String(value)] as const)
  const nested = all.flatMap(([name, value]) => (name.startsWith(inner) ? [[name.slice(inner.length), value]] : []))
  const plain = Object.fromEntries(all.filter(([name]) => !name.startsWith(inner)))
  return nested.length === 0 ? plain : { ...plain, arguments: Object.fromEntries(nested) }
}

async function begin(act: string, args: unknown, changed: () => void): Promise<void> {
  const dialog = document.querySelector<HTMLDialogElement>('[data-dialog]')
  if (dialog === null) return
  const heading = Object.assign(document.createElement('h2'), { id: 'asked', textContent: `${act}: what it would do` })
  const shown = document.createElement('pre')
  shown.tabIndex = 0
  shown.setAttribute('aria-live', 'polite')
  const close = buttonOf('Close', () => dialog.close())
  dialog.replaceChildren(heading, shown, close)
  if (!dialog.open) dialog.showModal()
  const last = await send(act, args, true, line => add(shown, line))
  if (last.error !== undefined) return
  const command = document.createElement('code')
  command.textContent = last.command ?? ''
  const same = document.createElement('p')
  same.append('The same on the command line: ', command)
  const go = buttonOf(`Yes, ${act}`, async () => {
    go.remove()
    heading.textContent = act
    shown.textContent = ''
    await send(act, args, false, line => add(shown, line))
    close.focus()
    changed()
  })
  go.className = 'go'
  shown.after(same, go)
  close.textContent = 'No'
  go.focus()
}

function buttonOf(text: string, on: () => void): HTMLButtonElement {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: text })
  button.addEventListener('click', on)
  return button
}

function add(shown: HTMLElement, line: Line): void {
  const text = line.error ?? line.say ?? line.done?.join('\n') ?? ''
  if (line.error !== undefined) shown.className = 'problem'
  shown.textContent = `${shown.textContent}${text}\n`
}

/** @returns the last line */
async function send(act: string, args: unknown, dryRun: boolean, on: (line: Line) => void): Promise<Line> {
  let last: Line = { error: 'no answer came' }
  const take = (text: string) => {
    if (text === '') return
    last = JSON.parse(text)
    on(last)
  }
  try {
    const answer = await fetch('/act', {
      method: 'POST',
      headers: { ...keyHeaders(), 'content-type': 'application/json' },
      body: JSON.stringify({ act, args, dryRun }),
    })
    if (!answer.ok || answer.body === null) {
      take(JSON.stringify(await answer.json()))
      return last
    }
    let text = ''
    for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
      const { value, done } = await reader.read()
      if (done) break
      const lines = (text + value).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) take(line)
    }
  } catch {
    last = { error: 'the page’s program does not answer: whether it was done shows the view' }
    on(last)
  }
  return last
}
