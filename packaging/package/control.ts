/** The control files of the Debian package, and what its policy wants in /usr/share/doc. */
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { installedSize } from './deb.ts'
import { file, type Tree } from './tree.ts'

export interface About {
  readonly version: string
  readonly description: string
  /** amd64 or arm64. */
  readonly architecture: string
  /** Seconds since 1970. */
  readonly time: number
  /** Name <address>. */
  readonly maintainer: string
}

const here = import.meta.dirname

/** A script of this folder, with the functions that it shares with others in place of `# @name@`. */
export function script(name: string): string {
  const text = readFileSync(`${here}/${name}.sh`, 'utf8')
  return text.replace(/^# @([a-z-]+)@$/gm, (_, shared) => readFileSync(`${here}/${shared}.sh`, 'utf8'))
}

export function controlFiles(tree: Tree, about: About): Tree {
  const scripts = ['postinst', 'prerm', 'postrm'].map(name => [name, file(script(name), 0o755)] as const)
  return new Map([['control', file(control(tree, about))], ...scripts])
}

function control(tree: Tree, { version, description, architecture, maintainer }: About): string {
  return `Package: watchbill
Version: ${version}
Section: admin
Priority: optional
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${installedSize(tree)}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6
Recommends: consul
Description: ${description[0]?.toLowerCase()}${description.slice(1)}
 A partition is anything with a name: a Kafka partition, a tenant, a cron job.
 Consul's agents run small programs as watch handlers and script checks. They
 start each partition somewhere, take it over when a machine dies, hand it over
 when one joins, and stop it before anyone else may start it.
 .
 There is no daemon: between events nothing of it is in memory but a shell for
 each partition.
`
}

/** The Debian changelog, which names the version and where the changes stand. */
export function changelog({ version, maintainer, time }: About): Buffer {
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000')
  const text = `watchbill (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- ${maintainer}  ${date}\n`
  return gzipSync(text, { level: 9 })
}

/** The machine-readable copyright file: watchbill's licence, and those of what its release holds. */
export function copyright(licence: string, licences: string, node: string): string {
  const body = (text: string) =>
    text
      .trim()
      .split('\n')
      .map(line => (line.trim() === '' ? ' .' : ` ${line}`))
      .join('\n')
  const [, holder = ''] = /^Copyright \(c\) (.*)$/m.exec(licence) ?? []
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: watchbill

Files: *
Copyright: ${holder}
License: Expat
${body(licence.slice(licence.indexOf('Permission is hereby')))}

Files: usr/lib/watchbill/release/bin/node
Copyright: Node.js contributors
License: Node
${body(node)}

Files: usr/lib/watchbill/release/lib/*
Copyright: the authors that the texts name, and ${holder}
License: those-of-the-bundled-packages
${body(licences)}
`
}
