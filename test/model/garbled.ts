/** What may come back instead of Consul's answer, without being one. */
import type { Reply } from './consul.ts'

export const garbledAnswers: readonly Reply[] = [
  { text: [], index: null },
  { text: '', index: null },
  { text: 'null', index: null },
  { text: {}, index: null },
  { status: 404, index: null },
  { status: 404, text: '<html>not found</html>', index: null },
  { text: '<html><h1>Welcome</h1></html>', index: null },
  { status: 500, text: 'No cluster leader', index: null },
  { status: 429, text: 'Your IP is issuing too many concurrent connections', index: null },
  { status: 409, text: {}, index: null },
  { status: 301, text: '', index: null },
  { text: '{"Results":null,"Errors"', index: null },
  { text: '[{"Key": "watchbill/svc/lo', index: null },
  { text: [null], index: null },
  { text: [[]], index: null },
  { text: [{ Key: '__proto__' }], index: null },
  { text: [5, 'x'], index: null },
  { text: '['.repeat(50_000), index: null },
  { text: '\ud800', index: null },
  { text: true, index: null },
]
