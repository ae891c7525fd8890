/** The secret, or the token: in this tab alone, and in no address, cookie or file. */

const asks = document.querySelector<HTMLMetaElement>('meta[name=asks]')?.content ?? 'secret'
const name = 'watchbill secret'
let token = ''

/** Takes the secret out of the address, before anything else can read it there. */
export function takeSecret(): void {
  const given = /^#secret=([\w-]{1,200})$/.exec(location.hash)?.[1]
  const sent = document.querySelector<HTMLMetaElement>('meta[name=secret]')?.content
  if (given !== undefined) {
    sessionStorage.setItem(name, given)
    history.replaceState(null, '', location.pathname + location.search)
  } else if (sent) sessionStorage.setItem(name, sent)
}

export function hasKey(): boolean {
  return asks === 'token' ? token !== '' : sessionStorage.getItem(name) !== null
}

export function asksToken(): boolean {
  return asks === 'token'
}

/** A token stays in the page's memory. */
export function setKey(text: string): void {
  if (asks === 'token') token = text
  else sessionStorage.setItem(name, text)
}

export function dropKey(): void {
  token = ''
  sessionStorage.removeItem(name)
}

export function keyHeaders(): Record<string, string> {
  if (asks === 'token') return { 'x-consul-token': token }
  return { authorization: `Bearer ${sessionStorage.getItem(name) ?? ''}` }
}
