/** The description of all addresses, in OpenAPI 3.1: made from the views, the acts, and the schemas of their answers. */
import { z } from 'zod'
import { acts } from './acts/acts.ts'
import { answers } from './schemas.ts'
import { views } from './views/views.ts'

export function openApi(): object {
  const paths = Object.fromEntries(views.map(({ path, about, asks }) => [path, { get: getOf(path, about, asks) }]))
  return {
    openapi: '3.1.0',
    info: {
      title: 'watchbill page',
      version: '1',
      description:
        'Every view as JSON, at the address of its page. A request brings the secret of the printed URL as a bearer token, or, ' +
        'with --ask-token, a Consul token.',
    },
    components: {
      securitySchemes: {
        secret: { type: 'http', scheme: 'bearer' },
        token: { type: 'apiKey', in: 'header', name: 'X-Consul-Token' },
      },
      schemas: { error: schemaOf(z.strictObject({ error: z.string() })) },
    },
    security: [{ secret: [] }, { token: [] }],
    paths: { ...paths, '/live': live, '/act': { post: postOf() } },
  }
}

function getOf(path: string, about: string, asks: readonly string[]): object {
  const schema = answers[path]
  if (schema === undefined) throw new Error(`no schema says what ${path} answers`)
  return {
    summary: about,
    parameters: asks.map(name => ({
      name: name.replace('*', ''),
      in: 'query',
      required: name.endsWith('*'),
      schema: { type: 'string' },
    })),
    responses: { 200: json('the view', schemaOf(schema)), ...failures },
  }
}

function postOf(): object {
  const bodies = [...acts.values()].map(({ name, about, args }) => ({
    type: 'object',
    description: about,
    properties: { act: { const: name }, args: schemaOf(args), dryRun: { type: 'boolean' } },
    required: ['act', 'args', 'dryRun'],
  }))
  return {
    summary: 'Does what a button does, or says what it would do.',
    requestBody: { required: true, content: { 'application/json': { schema: { oneOf: bodies } } } },
    responses: {
      200: {
        description: 'a line of JSON as each thing happens; the last one is "done" or "error"',
        content: { 'application/x-ndjson': { schema: schemaOf(actLine) } },
      },
      ...failures,
    },
  }
}

export const actLine = z.union([
  z.strictObject({ say: z.string() }),
  z.strictObject({ done: z.array(z.string()), command: z.string() }),
  z.strictObject({ error: z.string() }),
])

const live = {
  get: {
    summary: 'Server-sent events: something changed, Consul is away, Consul is back.',
    parameters: [{ name: 'service', in: 'query', required: false, schema: { type: 'string' } }],
    responses: { 200: { description: 'the news', content: { 'text/event-stream': { schema: { type: 'string' } } } } },
  },
}

const refused = {
  description: 'why not',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/error' } } },
}
const failures = { 400: refused, 401: refused, 403: refused, 404: refused, 421: refused, 503: refused }

function json(description: string, schema: object): object {
  return { description, content: { 'application/json': { schema } } }
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema)
  return rest
}
