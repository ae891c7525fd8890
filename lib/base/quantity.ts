/** Amounts as people write them: "1.5", "500MB" (a million bytes each), "2GiB" (1024³ bytes each). */

const units: Readonly<Record<string, number>> = {
  ...{ '': 1, B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
  ...{ KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 },
}

/** Null when the text is no amount. */
export function quantity(text: string): number | null {
  const [, number = '', unit = ''] = /^(-?\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text) ?? []
  const factor = units[unit]
  return number === '' || factor === undefined ? null : Number(number) * factor
}
