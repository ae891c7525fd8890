/** What a view is: an address, what it shows as data, and the same as HTML. */
import type { Here } from './here/here.ts'
import type { Html } from './html.ts'
import type { Sight } from './sight.ts'

/** The words of the address, as far as the view knows them. */
export type Query = Readonly<Record<string, string>>

/** What a view is made from. */
export interface Seeing {
  readonly sight: Sight
  readonly here: Here
  readonly query: Query
  /** Documents and logs may be shown. */
  readonly shows: { readonly documents: boolean; readonly logs: boolean }
}

export interface View<Data> {
  readonly path: `/${string}`
  /** Names in the query; those with a star must be there. */
  readonly asks: readonly string[]
  /** What it shows, in a sentence, for the OpenAPI description. */
  readonly about: string
  /** The same on the command line. */
  readonly command: (query: Query) => string
  readonly title: (query: Query) => string
  readonly data: (seeing: Seeing) => Promise<Data>
  /** Left out for what is data alone. */
  readonly html?: (data: Data, query: Query) => Html
  /** More for people, which is no part of the data. */
  readonly more?: (seeing: Seeing) => Promise<Html>
}

/** Forgets which data a view has, so that all can stand in one list. */
export function view<Data>(one: View<Data>): View<unknown> {
  return one as View<unknown>
}
