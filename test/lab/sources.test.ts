import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { rewriteLines, rewriteStanzas, sourcesFor } from './sources.ts'

const stanzas = `# The machine's own
Types: deb deb-src
# see http://mirror.example/about
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://docker.example/linux/debian
Suites: bookworm
Components: stable

Types: deb
URIs: https://node.example/node
Suites: stable
Components: main
Signed-By: /usr/share/keyrings/node.gpg

types: deb
uris: http://other.example/debian
suites: stable
components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
`

const lines = `
# deb http://comment.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib # our own
deb http://mirror.example/debian bookworm-updates main
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]  http://two.example/debian  trixie  main
deb [signed-by=/usr/share/keyrings/node.gpg] https://node.example/node bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb http://pgdg.example/apt bookworm-pgdg main
`

describe('the apt sources of this machine, for bullseye', () => {
  it('in the deb822 form: the enabled main archives, with their components and keys', () => {
    assert.equal(
      rewriteStanzas(stanzas, 'bullseye'),
      `types: deb
uris: http://mirror.example/debian
suites: bullseye
components: main contrib
signed-by: /usr/share/keyrings/debian-archive-keyring.gpg

types: deb
uris: http://other.example/debian
suites: bullseye
components: main
signed-by: 
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
`,
    )
  })

  it('in the one-line form: the same, with their options', () => {
    assert.equal(
      rewriteLines(lines, 'bullseye'),
      `deb http://mirror.example/debian bullseye main contrib
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://two.example/debian bullseye main
`,
    )
  })

  it('from all files that apt reads, and only those', test => {
    const etc = mkdtempSync(join(tmpdir(), 'watchbill-apt-'))
    test.after(() => rmSync(etc, { recursive: true }))
    mkdirSync(join(etc, 'sources.list.d'))
    const line = (host: string) => `deb http://${host}.example/debian bookworm main\n`
    const files = { 'sources.list': 'one', 'sources.list.d/two.list': 'two', 'sources.list.d/off.list.disabled': 'off' }
    for (const [name, host] of Object.entries(files)) writeFileSync(join(etc, name), line(host))
    writeFileSync(join(etc, 'sources.list.d/debian.sources'), stanzas)
    writeFileSync(join(etc, 'sources.list.d/foreign.list'), 'deb http://foreign.example/apt jammy main\n')
    const found = sourcesFor('bullseye', etc)
    assert.deepEqual([...found.keys()], ['sources.list', 'debian.sources', 'two.list'])
    assert.equal(found.get('two.list'), 'deb http://two.example/debian bullseye main\n')
  })

  it('none on a machine without apt', () => assert.equal(sourcesFor('bullseye', '/nowhere').size, 0))
})
