/**
 * Makes an element like a newer one, and leaves alone what is the same: the focus, the place in a scrolled table, what is being
 * typed, and what is open stay as they are.
 */
export function morph(old: Element, fresh: Element): void {
  sameAttributes(old, fresh)
  const [now, next] = [[...old.childNodes], [...fresh.childNodes]]
  next.forEach((node, place) => {
    const there = now[place]
    if (there === undefined) old.append(node)
    else if (!isAlike(there, node)) there.replaceWith(node)
    else if (there instanceof Element) {
      if (!there.hasAttribute('data-kept')) morph(there, node as Element)
    } else if (there.nodeValue !== node.nodeValue) there.nodeValue = node.nodeValue
  })
  for (const extra of now.slice(next.length)) extra.remove()
}

function isAlike(one: Node, other: Node): boolean {
  if (one.nodeType !== other.nodeType || one.nodeName !== other.nodeName) return false
  return !(one instanceof Element) || one.id === (other as Element).id
}

function sameAttributes(old: Element, fresh: Element): void {
  // What is being typed, or was chosen, is the user's.
  if (old instanceof HTMLInputElement || old instanceof HTMLSelectElement || old instanceof HTMLOptionElement) return
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && name !== 'open') old.removeAttribute(name)
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
}
