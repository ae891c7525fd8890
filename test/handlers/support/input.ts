/** What Consul's watches bring on stdin; each call brings something that no handler has seen before. */
import type { Instance } from './instance.ts'

let serial = 0

function next(): number {
  serial += 1
  return serial
}

/** A service watch: the instances of the service as Consul has them, and one more that never takes part. */
export async function serviceInput({ agent, service }: Instance): Promise<string> {
  const instances = await agent.api<unknown[]>('GET', `/v1/health/service/${service}`)
  const more = { Node: { Node: `elsewhere-${next()}` }, Service: { ID: service }, Checks: [] }
  return JSON.stringify([...instances, more])
}

/** A keyprefix watch: the revision, changed. */
export function keyprefixInput({ service }: Instance): string {
  const ModifyIndex = 1_000_000 + next()
  return JSON.stringify([
    { Key: `watchbill/${service}/spec/revision`, CreateIndex: 1, ModifyIndex, LockIndex: 0, Flags: 0, Value: 'e30=' },
  ])
}

/** A checks watch: one of the instance's own checks has changed. */
export function checksInput({ agent, service, id }: Instance): string {
  const check = { Node: agent.name, CheckID: `check-${next()}`, Name: 'check', Status: 'passing', ServiceID: id }
  return JSON.stringify([{ ...check, ServiceName: service, Notes: '', Output: '' }])
}
