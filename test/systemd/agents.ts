/** A server and a client agent of Consul under a systemd: the client by Debian's own unit, with what a test adds to it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Place } from '../lab/place.ts'
import { labSettings } from '../lab/settings.ts'
import type { Units } from './machine.ts'

const debian = readFileSync(join(import.meta.dirname, 'consul.service'), 'utf8')

const place = (base: number): Place => ({
  address: '127.0.0.1',
  ports: { http: base, server: base + 1, serf_lan: base + 2, serf_wan: base + 3, dns: -1 },
  socket: null,
  enter: [],
})
export const http = 'http://127.0.0.1:8500'

/** A drop-in. */
export function service(lines: readonly string[]): string {
  return ['[Service]', ...lines, ''].join('\n')
}

/**
 * @param consul the program
 * @param more lines for the [Service] of consul.service
 */
export function agents(consul: string, more: readonly string[]): Units {
  return folder => {
    settings(folder, 's1', 8600, 1)
    settings(folder, 'a1', 8500, null)
    const args = (name: string) => `-config-dir=${folder}/${name}/settings -config-dir=${folder}/${name}/consul.d`
    return {
      'lab.target': '[Unit]\nWants=server.service consul.service\n',
      'network-online.target': '[Unit]\n',
      'server.service': `[Service]\nExecStart=${consul} agent ${args('s1')}\n`,
      'consul.service': debian,
      'consul.service.d/more.conf': service(more),
      'consul.service.d/lab.conf': service([
        `Environment="DAEMON_ARGS=${args('a1')}"`,
        `Environment="PATH=${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/`,
        'EnvironmentFile=',
        'ExecStart=',
        `ExecStart=${consul} agent $DAEMON_ARGS`,
        'PrivateTmp=no', // this checkout may be below /tmp
      ]),
    }
  }
}

function settings(folder: string, name: string, base: number, expect: number | null): void {
  for (const path of ['settings', 'consul.d', 'state']) mkdirSync(join(folder, name, path), { recursive: true })
  const facts = { name, data: join(folder, name, 'data'), place: place(base), logLevel: 'warn', version: '1.8.7' }
  const all = labSettings({ ...facts, expect, peers: expect === null ? ['127.0.0.1:8602'] : [] })
  writeFileSync(join(folder, name, 'settings/lab.json'), JSON.stringify(all))
}
