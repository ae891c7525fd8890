// undici's client alone: the package's index would load its whole fetch, proxy and cache stack at every start.
declare module 'undici/lib/dispatcher/client.js' {
  import type { Client } from 'undici'

  const client: typeof Client
  export default client
}
