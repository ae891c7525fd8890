/** Figures for people. */

/** "512 B", "12.3 MiB" */
export function bytes(count: number | undefined): string {
  if (count === undefined) return '-'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let rest = count
  for (; rest >= 1024 && unit < units.length - 1; unit++) rest /= 1024
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`
}

/** Processors as percent of one: "12.5" */
export function percent(cores: number | null): string {
  return cores === null ? '-' : (cores * 100).toFixed(1)
}

/** "45 s", "12 min", "5 h", "3 d" */
export function age(seconds: number | undefined): string {
  if (seconds === undefined) return '-'
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
}

export function number(value: number | undefined | null): string {
  return value === undefined || value === null ? '-' : String(Math.round(value))
}
