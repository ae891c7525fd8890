/**
 * A reporter of node:test that says `passed FILE` for a file whose tests all passed, and `failed FILE` for one in which a test
 * failed, a line each. The file is the one that was run, also where another one, which it imports, defines the test.
 */
import type { TestEvent } from 'node:test/reporters'

export default async function* fileResults(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type === 'test:fail') yield `failed ${entryOf(event.data)}\n`
    if (event.type === 'test:summary' && event.data.success && event.data.file !== undefined)
      yield `passed ${event.data.file}\n`
  }
}

/** @types/node does not know `entryFile`. A file whose process ended badly has none: there `file` is that file. */
function entryOf(data: { readonly file?: string | undefined; readonly entryFile?: string }): string {
  return data.entryFile ?? data.file ?? ''
}
