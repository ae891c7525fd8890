/** A certificate authority for one test: made anew each time, so that nothing in here ever expires. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Makes `<name>.pem` and `<name>-key.pem` in a folder. @param by who signs; itself when left out */
export async function certificate(folder: string, name: string, by?: Certificate, dns?: string): Promise<Certificate> {
  const made = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}-key.pem`) }
  const extensions = join(folder, `${name}.cnf`)
  const use = by === undefined ? 'basicConstraints=critical,CA:TRUE' : 'extendedKeyUsage=serverAuth,clientAuth'
  const lines = [
    '[req]',
    'distinguished_name=name',
    '[name]',
    '[own]',
    use,
    ...(dns ? [`subjectAltName=DNS:${dns}`] : []),
  ]
  writeFileSync(extensions, `${lines.join('\n')}\n`)
  const signed = by === undefined ? [] : ['-CA', by.cert, '-CAkey', by.key]
  await execa('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-config', extensions, '-extensions', 'own', ...signed],
    ...['-keyout', made.key, '-out', made.cert],
  ])
  return made
}
