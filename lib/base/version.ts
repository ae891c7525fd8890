/** What may be the version of a program at all. */

/**
 * Whatever the pattern of a definition allows: a version becomes part of arguments and paths, and comes from Consul. So it
 * can be neither an option nor a way out of a directory.
 */
export const plainVersion = /^[A-Za-z0-9][A-Za-z0-9._+:@-]{0,99}$/

export const versionWords = '1 to 100 of A-Z a-z 0-9 . _ + : @ - that begin with a letter or a digit'

export function isVersion(value: unknown): value is string {
  return typeof value === 'string' && plainVersion.test(value)
}
