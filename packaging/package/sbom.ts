/** A list of what is in the packages (CycloneDX): what npm installs for them, and the Node that runs them. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'

const root = `${import.meta.dirname}/../..`

interface Bom {
  serialNumber: string
  metadata: { timestamp: string; tools?: unknown }
  components: { 'bom-ref': string }[]
}

/** @param node the Node of the release @param time seconds since 1970, in place of the present */
export function sbom(node: Buffer, time: number): string {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only']
  const bom: Bom = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }))
  bom.metadata.timestamp = new Date(time * 1000).toISOString()
  delete bom.metadata.tools // it would name the version of npm, and change nothing else
  bom.components.push(nodeComponent(node))
  bom.components.sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1))
  bom.serialNumber = `urn:uuid:${uuidOf(JSON.stringify({ ...bom, serialNumber: '' }))}`
  return `${JSON.stringify(bom, null, 2)}\n`
}

function nodeComponent(node: Buffer) {
  const version = process.versions.node
  return {
    'bom-ref': `node@${version}`,
    type: 'platform',
    name: 'node',
    version,
    description: 'runs the programs; npm installs it as a package for each architecture',
    purl: `pkg:npm/node-linux-${process.arch}@${version}`,
    hashes: [{ alg: 'SHA-256', content: createHash('sha256').update(node).digest('hex') }],
    licenses: [{ license: { id: 'MIT' } }],
  }
}

/** CycloneDX wants a UUID that is new when the contents are: this one follows from them. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}
