/** The page as a web application: who may ask, the views, the live news, and what buttons do. It knows no socket. */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { reason } from '../base/errors.ts'
import { isRefusal } from '../consul/permission.ts'
import type { Act } from './act.ts'
import { acts } from './acts/acts.ts'
import { type Doorway, refusalOf } from './door.ts'
import { headers } from './headers.ts'
import type { Here } from './here/here.ts'
import { liveAnswer, Viewers } from './live/viewers.ts'
import { openApi } from './openapi.ts'
import { type Power, Unknown } from './power.ts'
import { type Assets, icon, part, shell } from './shell.ts'
import type { Sight } from './sight.ts'
import type { Query, Seeing, View } from './view.ts'
import { views } from './views/views.ts'

export interface PageOptions {
  readonly power: Power
  readonly here: Here
  readonly assets: Assets
  readonly doorway: () => Doorway
  readonly shows: Seeing['shows']
  /** Sent with the page itself: only behind a Unix socket. */
  readonly secretForAll: string | null
  /** Somebody is there: a request, or a viewer of the live news. */
  readonly used: () => void
}

/** The most bytes of a request's body, and of an address. */
const mostBody = 16_384
const mostAddress = 4096
/** How often an act that takes long shows that it goes on, ms. */
const beat = 10_000

type Failure = 400 | 401 | 403 | 404 | 405 | 413 | 421 | 500 | 503

export function pageApp(options: PageOptions): Hono {
  const { power, assets, doorway, used } = options
  const app = new Hono()
  const viewers = new Viewers()

  app.use(async (context, next) => {
    for (const [name, value] of Object.entries(headers)) context.header(name, value)
    const { req } = context
    const refused = refusalOf(
      {
        ...{ method: req.method, host: req.header('host'), origin: req.header('origin') },
        ...{
          site: req.header('sec-fetch-site'),
          mode: req.header('sec-fetch-mode'),
          dest: req.header('sec-fetch-dest'),
        },
      },
      doorway(),
    )
    if (refused !== null) return fail(context, refused.status, refused.why)
    if (req.url.length > mostAddress) return fail(context, 400, 'the address is too long')
    used()
    return next()
  })
  app.onError((error, context) => {
    const { status, why } = failureOf(error)
    return fail(context, status, why)
  })
  app.notFound(context => fail(context, 404, 'there is no such view'))

  const kept = (type: string, text: string) => (context: Context) => {
    context.header('Cache-Control', 'private, max-age=31536000, immutable')
    return context.body(text, 200, { 'Content-Type': type })
  }
  app.get(`/page-${assets.hash}.js`, kept('text/javascript; charset=utf-8', assets.script))
  app.get(`/page-${assets.hash}.css`, kept('text/css; charset=utf-8', assets.style))
  app.get(`/icon-${assets.hash}.svg`, kept('image/svg+xml', icon))
  app.get('/openapi.json', context => context.json(openApi()))

  for (const view of views)
    app.get(view.path, async context => {
      if (wants(context) === 'page') return context.html(shell(assets, power.asks, options.secretForAll))
      const query = queryOf(context, view)
      const sight = await power.sightFor(context.req.raw.headers)
      const seeing = { sight, here: options.here, query, shows: options.shows }
      if (wants(context) === 'json' || view.html === undefined) return context.json((await view.data(seeing)) as object)
      const [data, more] = await Promise.all([view.data(seeing), view.more?.(seeing)])
      return context.html(part(view, data, more, query))
    })

  app.get('/live', async context => {
    const sight = await power.sightFor(context.req.raw.headers)
    const service = context.req.query('service') || null
    return liveAnswer(viewers, { sight, service, here: options.here, used })
  })

  app.post(
    '/act',
    bodyLimit({ maxSize: mostBody, onError: context => fail(context, 413, 'the request is too large') }),
    async context => {
      // A form of another site cannot send JSON without being asked first.
      if (!/^application\/json\b/.test(context.req.header('content-type') ?? ''))
        return fail(context, 400, 'what is asked for must be JSON')
      const sight = await power.sightFor(context.req.raw.headers)
      const { act, args, dryRun } = await asked(context)
      return acting(sight, act, args, dryRun, used)
    },
  )
  app.on(['POST', 'PUT', 'PATCH', 'DELETE'], '*', context => fail(context, 405, 'only /act changes anything'))
  return app
}

function fail(context: Context, status: Failure, why: string): Response {
  return context.json({ error: why }, status)
}

/** A browser that opens an address gets the page; the page's own script asks for parts; everything else gets JSON. */
function wants({ req }: Context): 'page' | 'part' | 'json' {
  if (req.header('watchbill-part') !== undefined) return 'part'
  return /\btext\/html\b/.test(req.header('accept') ?? '') ? 'page' : 'json'
}

function queryOf({ req }: Context, view: View<unknown>): Query {
  const query: Record<string, string> = {}
  for (const name of view.asks) {
    const plain = name.replace('*', '')
    const value = req.query(plain)
    if (value === undefined && name.endsWith('*')) throw new Wrong(`${plain} is missing in the address`)
    if (value !== undefined) query[plain] = value
  }
  return query
}

/** A request that nobody can answer. */
class Wrong extends Error {}

async function asked({ req }: Context): Promise<{ act: Act<unknown>; args: unknown; dryRun: boolean }> {
  const body: unknown = await req.json().catch(() => null)
  const { act: name, args, dryRun } = (body ?? {}) as Record<string, unknown>
  const act = acts.get(String(name))
  if (act === undefined) throw new Wrong(`there is no such act; there are: ${[...acts.keys()].join(', ')}`)
  if (typeof dryRun !== 'boolean') throw new Wrong('dryRun must be true or false')
  const parsed = act.args.safeParse(args)
  if (parsed.success) return { act, args: parsed.data, dryRun }
  const [issue] = parsed.error.issues
  throw new Wrong(`cannot ${act.name}: ${issue?.path.join('.') || 'the arguments'}: ${issue?.message}`)
}

/**
 * The answer comes line by line, as things happen: {"say"}, at the end {"done", "command"} or {"error"}. What was begun goes on
 * when nobody reads any more. An empty line shows that it goes on: a connection that is silent is closed.
 */
function acting(sight: Sight, act: Act<unknown>, args: unknown, dryRun: boolean, used: () => void): Response {
  const own = sight.consul.another(10_000)
  const text = new TextEncoder()
  const stream = new ReadableStream({
    async start(controller) {
      const write = (line: string) => {
        try {
          controller.enqueue(text.encode(`${line}\n`))
        } catch {
          // The reader has gone.
        }
      }
      const send = (line: object) => write(JSON.stringify(line))
      const alive = setInterval(() => {
        used()
        write('')
      }, beat)
      try {
        const done = await act.run(own, args, dryRun, say => send({ say }))
        if (!dryRun) sight.stale(null) // the next look shows it, also before the feed has told of it
        send({ done, command: act.command(args) })
      } catch (error) {
        send({ error: failureOf(error).why })
      }
      clearInterval(alive)
      own.close()
      try {
        controller.close()
      } catch {
        // The reader has gone.
      }
    },
  })
  return new Response(stream, { headers: { ...headers, 'Content-Type': 'application/x-ndjson' } })
}

/** The words of an expected error; of a bug nothing but that it is one. */
export function failureOf(error: unknown): { readonly status: Failure; readonly why: string } {
  if (error instanceof Unknown) return { status: 401, why: error.message }
  if (error instanceof Wrong) return { status: 400, why: error.message }
  const name = error instanceof Error ? error.name : ''
  if (isRefusal(error)) return { status: 403, why: reason(error) }
  if (name === 'Permanent') return { status: 404, why: reason(error) }
  if (name === 'Temporary') return { status: 503, why: reason(error) }
  return { status: 500, why: 'this page has a bug; see its output with --debug' }
}
