/** Whether this machine allows what is about to be started. The rest is loaded only where there are limits. */
import type { Definition } from '../definition/definition.ts'
import { isBounded } from './limits-path.ts'

/**
 * Why no command of this definition may be started now, in one line; null when they may.
 * @param directory of the instance, in the state directory
 */
export async function refusal(directory: string, definition: Definition): Promise<string | null> {
  if (!isBounded()) return null
  const { refusalOf } = await import('./allowed.ts')
  return refusalOf(directory, definition)
}
