import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { type Event, eventOf } from '../../lib/hooks/event.ts'
import { hookInput, startHooks, stateOfHook } from '../../lib/hooks/run-hook.ts'
import type { Start } from '../../lib/process/shepherd/start.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { writeLease } from '../../lib/state/lease.ts'
import { definition } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { killMarked } from '../lab/marked.ts'
import { until } from '../lab/until.ts'

const env = { PAGERDUTY_KEY: 'k3y', TOPIC: '{service}-{partition}', TZ: 'Europe/Berlin' }
const own: Definition = { ...definition, run: { ...definition.run, cwd: null, env, restart: 'never' } }

function variables(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]))
}

/** What a hook of this event has in its environment. */
async function ofHook(t: TestContext, event: Event, run = own.run): Promise<Record<string, string>> {
  const files = stateOf(t)
  writeFact(partitionIn(files, '7').token, '1.42')
  const directory = `${files.directory}/event`
  mkdirSync(directory)
  const runner = { instance: 'a:svc', node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
  await startHooks(runner, { ...own, run }, [{ directory, event, command: ['/usr/bin/env'] }])
  const state = await until('the hook', () => {
    const now = stateOfHook({ directory })
    return now !== 'running' && now
  })
  assert.deepEqual(state, { failure: null })
  return variables(readFileSync(`${directory}/output`, 'utf8'))
}

async function ofProcess(t: TestContext): Promise<Record<string, string>> {
  const files = stateOf(t)
  t.after(() => killMarked(files.directory))
  const partition = partitionIn(files, '7')
  writeFact(partition.acquisition, 'a')
  writeLease(partition, { from: 0, own: bootClock() })
  const names = { service: 'svc', instance: 'a:svc', node: 'a', partition: '7', version: '', token: '1.42' }
  const start: Start = { ...names, files: partition, acquisition: 'a', lease: 60_000, grace: 400 }
  await startShepherds({ ...own, run: { ...own.run, command: ['/bin/sh', '-c', 'env; echo end'] } }, [start])
  const text = await until('its output', () => /^.*\nend\n$/s.exec(readFileSync(partition.output, 'utf8'))?.[0])
  return variables(text)
}

it('a hook is told what the service is called, where it is called something', () => {
  const runner = {
    instance: 'a:svc',
    node: 'a',
    service: 'svc',
    serviceId: 'svc',
    definitionFile: '/nowhere',
    files: null as never,
  }
  const event = eventOf({ id: 'e', event: 'joined', at: 'now' })
  const told = (title?: string) => JSON.parse(JSON.stringify(hookInput(runner, event, title ? { title } : {})))
  const plain = {
    Event: 'joined',
    EventID: 'e',
    At: 'now',
    Service: 'svc',
    Instance: 'a:svc',
    Node: 'a',
    Partition: null,
  }
  assert.deepEqual(told(), plain)
  assert.deepEqual(told('Kafka Consumer'), { ...plain, Title: 'Kafka Consumer' })
})

describe('a hook', () => {
  it('has what the process of its partition has in its environment', async t => {
    const event = eventOf({ id: 'e', event: 'failed', partition: '7', details: { Token: '1.42' } })
    const [hook, process] = [await ofHook(t, event), await ofProcess(t)]
    // The process's own: its document, its figures, its marks, and what the shell that runs `env` adds.
    const differs = /^(WATCHBILL_(PAYLOAD|METRICS|DIR|MARK|EVENT|EVENT_ID)|PWD|OLDPWD|SHLVL|_)$/
    const shared = (all: object) => Object.fromEntries(Object.entries(all).filter(([name]) => !differs.test(name)))
    assert.deepEqual(shared(hook), shared(process))
    assert.deepEqual([hook.PAGERDUTY_KEY, hook.TOPIC, hook.WATCHBILL_TOKEN], ['k3y', 'svc-7', '1.42'])
    assert.deepEqual([hook.WATCHBILL_EVENT, hook.WATCHBILL_EVENT_ID], ['failed', 'e'])
    // The page says what each of them is, and names none that is not there.
    const page = readFileSync(new URL('../../docs/definition.md', import.meta.url), 'utf8')
    const [, told = ''] = /^## The environment of a process\n(.*?)^## /ms.exec(page) ?? []
    const named = [...told.matchAll(/^\| `(WATCHBILL_[A-Z]+)`/gm)].map(([, name]) => name)
    const own = Object.keys(process).filter(name => name.startsWith('WATCHBILL_'))
    assert.deepEqual(named.sort(), own.sort())
    assert.deepEqual([process.WATCHBILL_VERSION, told.includes('`{version}`')], ['', true])
  })

  it('of the instance has no partition', async t => {
    const hook = await ofHook(t, eventOf({ id: 'e', event: 'joined' }))
    assert.deepEqual([hook.PAGERDUTY_KEY, hook.TOPIC, hook.WATCHBILL_PARTITION], ['k3y', 'svc-', ''])
  })

  it('runs whatever PATH the definition gives it', async t => {
    const event = eventOf({ id: 'e', event: 'failed', partition: '7' })
    const hook = await ofHook(t, event, { ...own.run, env: { PATH: '/opt/none' } })
    assert.match(hook.PATH ?? '', /^\/opt\/none\b/)
  })
})
