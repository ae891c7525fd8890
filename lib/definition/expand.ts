/** The placeholders that watchbill replaces. Anything else in braces belongs to the command. */
export const placeholders = ['partition', 'token', 'version', 'node', 'instance', 'service'] as const
export type Placeholder = (typeof placeholders)[number]

function expandOne(text: string, values: Readonly<Record<string, string>>): string {
  // One pass, and a function as replacement: "{token}" or "$&" inside a value is never interpreted.
  return text.replace(/\{(\w+)\}/g, (whole, word: string) =>
    Object.hasOwn(values, word) ? (values[word] as string) : whole,
  )
}

/**
 * Replaces `{word}` by its value inside each argument. An argument stays one argument, whatever the value holds. A word
 * without a value stays as it is.
 */
export function expand(args: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return args.map(argument => expandOne(argument, values))
}

/** Replaces placeholders in the values of an environment, never in the names. */
export function expandEnv(
  env: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, expandOne(value, values)]))
}
