/** The script and the style of the page: built already in a release, else built from the sources. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownRelease } from '../setup/release/contents.ts'
import type { Client } from '../setup/release/page-client.ts'
import type { Assets } from './shell.ts'

export async function assetsHere(): Promise<Assets> {
  const client = await clientHere()
  const hash = createHash('sha256').update(client.script).update(client.style).digest('hex').slice(0, 12)
  return { ...client, hash }
}

async function clientHere(): Promise<Client> {
  const release = ownRelease()
  const { buildClient, clientFiles } = await import('../setup/release/page-client.ts')
  if (release === null) return buildClient()
  const text = (file: string) => readFileSync(join(release, 'lib', file), 'utf8')
  return { script: text(clientFiles.script), style: text(clientFiles.style) }
}
