/** The placeholders that watchbill gives a value; anything else in braces belongs to the command. */
export const placeholders = ['partition', 'token', 'version', 'node', 'instance', 'service'] as const
export type Placeholder = (typeof placeholders)[number]

function expandOne(text: string, values: Readonly<Record<string, string>>): string {
  // One pass with a function: what a value holds, be it "{token}" or "$&", is never read again.
  return text.replace(/\{(\w+)\}/g, (whole, word: string) =>
    Object.hasOwn(values, word) ? (values[word] as string) : whole,
  )
}

/**
 * Replaces `{word}` by its value inside each argument. An argument stays one argument whatever the value holds, and a
 * word without a value is left as it stands.
 */
export function expand(args: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return args.map(argument => expandOne(argument, values))
}

/** The same for the values of an environment; names are never touched. */
export function expandEnv(
  env: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, expandOne(value, values)]))
}
