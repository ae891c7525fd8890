/** The limits of templates and of what they make. */

/** The largest template, bytes. */
export const mostTemplate = 256 * 1024
/** The largest text that one file gets, bytes. */
export const mostText = 8 * 1024 * 1024
/** All texts of one template together, bytes. */
export const mostTexts = 128 * 1024 * 1024
/** The time for all texts of one template, ms: then its process is killed. */
export const turnLimit = 20_000
/** The memory of that process for JavaScript, MiB. */
export const turnMemory = 512

export function inMiB(bytes: number): string {
  return `${Math.round(bytes / 1024 / 102.4) / 10} MiB`
}
