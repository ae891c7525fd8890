/** The figures as curves, both axes by powers of ten: SVG as it is, so that no package is needed to draw a few lines. */
import type { Figures } from './one.ts'
import { allServer, beyondProof, cpuAtRest, nameOf } from './rest.ts'

interface Curve {
  readonly name: string
  readonly of: (figures: Figures) => number
}

interface Panel {
  readonly title: string
  readonly curves: readonly Curve[]
}

const panels: readonly Panel[] = [
  {
    title: 'One instance at rest: read, KB/s',
    curves: [
      { name: 'beyond the proof', of: figures => beyondProof(figures) / 1000 },
      { name: 'proof of its locks', of: ({ costs }) => costs.tick.bytes / 2000 },
    ],
  },
  {
    title: 'At rest: cores',
    curves: [
      { name: 'one instance', of: cpuAtRest },
      { name: 'the server, of all', of: allServer },
    ],
  },
  {
    title: 'One look: s',
    curves: [
      { name: 'wall', of: ({ costs }) => costs.look.wall },
      { name: 'server CPU', of: ({ costs }) => costs.look.server },
    ],
  },
  {
    title: 'Programs: s',
    curves: [
      { name: 'status', of: ({ costs }) => costs.status.wall },
      { name: 'owner', of: ({ costs }) => costs.owner.wall },
    ],
  },
]

const [width, height, margin] = [300, 190, 42]
const colours = ['#1f6feb', '#c2410c']

export function drawn(all: readonly Figures[]): string {
  const size = `width="${2 * width}" height="${2 * height}" viewBox="0 0 ${2 * width} ${2 * height}"`
  const parts = panels.map((panel, n) => {
    return `<g transform="translate(${(n % 2) * width} ${Math.floor(n / 2) * height})">${panelOf(panel, all)}</g>`
  })
  const style = '<title>What a cluster of many costs</title><rect width="100%" height="100%" fill="#fff"/>'
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="10">${style}\n${parts.join('\n')}\n</svg>\n`
}

function panelOf({ title, curves }: Panel, all: readonly Figures[]): string {
  const values = curves.flatMap(({ of }) => all.map(of)).map(value => Math.log10(Math.max(value, 1e-6)))
  const [low, high] = [Math.floor(Math.min(...values)), Math.ceil(Math.max(...values) + 0.01)]
  const x = (n: number) => margin + (n * (width - 2 * margin)) / Math.max(1, all.length - 1)
  const y = (log: number) => height - margin / 2 - 8 - ((log - low) / (high - low)) * (height - 1.5 * margin)
  const powers = Array.from({ length: high - low + 1 }, (_, n) => low + n)
  return [
    `<text x="${margin}" y="14" font-weight="bold">${title}</text>`,
    ...powers.map(power => {
      const line = `<line x1="${margin}" x2="${width - margin}" y1="${y(power)}" y2="${y(power)}" stroke="#ddd"/>`
      return `${line}<text x="${margin - 4}" y="${y(power) + 3}" text-anchor="end">${Number((10 ** power).toPrecision(1))}</text>`
    }),
    ...all.map(({ size }, n) => `<text x="${x(n)}" y="${height - 10}" text-anchor="middle">${nameOf(size)}</text>`),
    ...curves.map(({ name, of }, place) => {
      const points = all.map((figures, n) => [x(n), y(Math.log10(Math.max(of(figures), 1e-6)))] as const)
      const colour = colours[place]
      const line = `<polyline points="${points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`
      const dots = points.map(([a, b]) => `<circle cx="${a.toFixed(1)}" cy="${b.toFixed(1)}" r="3" fill="${colour}"/>`)
      return `${line}${dots.join('')}<text x="${margin + 6}" y="${28 + 12 * place}" fill="${colour}">${name}</text>`
    }),
  ].join('\n')
}
