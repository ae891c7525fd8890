/** What stands under the pointer in the grid, and a click on it. */

export function onGrid(go: (address: string) => void): void {
  document.addEventListener('pointermove', event => {
    const found = under(event)
    const shown = document.querySelector('[data-under]')
    if (shown && (event.target as Element).closest?.('.grid')) shown.textContent = found?.words ?? ''
  })
  document.addEventListener('click', event => {
    const found = under(event)
    if (found) go(found.address)
  })
}

function under(event: MouseEvent): { words: string; address: string } | null {
  const drawing = (event.target as Element).closest?.<SVGSVGElement>('svg[data-ids]')
  if (!drawing) return null
  const { left, top, width } = drawing.getBoundingClientRect()
  const columns = Number(drawing.dataset.width)
  const size = width / columns
  const place = Math.floor((event.clientY - top) / size) * columns + Math.floor((event.clientX - left) / size)
  const [id, state] = idsOf(drawing).get(place) ?? []
  if (id === undefined) return null
  const { service = '', states = '' } = drawing.closest<HTMLElement>('.grid')?.dataset ?? {}
  const query = `service=${encodeURIComponent(service)}&partition=${encodeURIComponent(id)}`
  const who = drawing.getAttribute('aria-label')?.replace(/: [^:]*$/, '')
  return { words: `${id}: ${states.split(' ')[state ?? -1]}, ${who}`, address: `/partition?${query}` }
}

const known = new WeakMap<Element, { text: string; ids: Map<number, [id: string, state: number]> }>()

function idsOf(drawing: SVGSVGElement): Map<number, [id: string, state: number]> {
  const text = drawing.dataset.ids ?? '[]'
  const before = known.get(drawing)
  if (before?.text === text) return before.ids
  const all = JSON.parse(text) as [string, number, number][]
  const ids = new Map(all.map(([id, state, place]) => [place, [id, state] as [string, number]]))
  known.set(drawing, { text, ids })
  return ids
}
