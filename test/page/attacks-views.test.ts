/** Whoever writes scripts into versions, roll-outs and schedulers, or asks for those views without being allowed to. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { healthKey } from '../../lib/keys/health.ts'
import { schedulerRoot } from '../../lib/keys/scheduler-memory.ts'
import { rollOf } from '../roll/records.ts'
import { host, keys, linesOf, origin, type Page, pageOn, serviceIn } from './page.ts'

const nasty = '<img src=x onerror=alert(1)>"\'</script><script>alert(2)</script>\u202e'
const views = ['/roll?service=svc', '/ask?service=svc', '/plan?service=svc', '/service?service=svc', '/']

/** Everything that people, workers or a scheduler may have written there is a script. */
async function stage(t: TestContext): Promise<Page> {
  const fake = await serviceIn(t)
  const { memory } = fake
  const put = (key: string, value: object) => memory.put(key, JSON.stringify(value))
  const held = (node: string) => ({
    ...{ instance: `${node}:svc`, acquisition: 'x', lease: 1000, grace: 1000, since: nasty },
    ...{ version: nasty, roll: nasty },
  })
  memory.lock(keys.lock('0'), 'session of a', JSON.stringify(held('a')))
  const member = memory.value(keys.member('a:svc')) as object
  const versions = {
    pattern: nasty,
    first: '1',
    prepared: [nasty, '1'],
    failed: { version: '2', why: nasty, of: 'r1.0' },
  }
  memory.lock(keys.member('a:svc'), 'session of a', JSON.stringify({ ...member, versions }))
  const texts = { by: nasty, from: nasty, since: nasty, changed: nasty, why: nasty, only: nasty }
  put(keys.roll, rollOf({ ...texts, state: 'stopped', before: 'rolling', skipped: [nasty], to: '2' }))
  put(keys.settings, { drained: [], epoch: 0, held: [], version: '1', roll: { id: 'r1', to: '2' } })
  put(keys.report('a:svc'), { 0: `failing: ${nasty}` })
  memory.put(healthKey('svc', 'a:svc'), nasty)
  const arguments_ = { [nasty]: nasty, zone: nasty }
  put(keys.duty('scheduler'), {
    ...{ by: nasty, problem: nasty, since: nasty },
    actions: { [nasty]: { title: nasty, arguments: arguments_ }, move: { title: nasty, arguments: arguments_ } },
  })
  put(keys.ask('x1'), { action: nasty, arguments: arguments_, at: nasty })
  put(keys.ask(encodeURIComponent(nasty)), { action: 'move', arguments: arguments_, at: nasty, answer: nasty })
  put(`${schedulerRoot('svc')}last`, {
    ...{ at: nasty, by: nasty, took: 1, log: [nasty], refused: [{ at: nasty, why: nasty }] },
  })
  const part0 = `{"revision":1,"by":${JSON.stringify(nasty)},"at":${JSON.stringify(nasty)},"from":{"keys":1,"health":"1"},"version":${JSON.stringify(nasty)},"log":[${JSON.stringify(nasty)}]}`
  const part1 = JSON.stringify({ assignment: { [nasty]: ['0'] }, nobody: { 1: nasty } })
  const { digest } = await import('../../lib/base/digest.ts')
  memory.put(keys.planPart(1, 0), part0)
  memory.put(keys.planPart(1, 1), part1)
  put(keys.plan, {
    ...{ revision: 1, parts: 2, digest: digest(`${part0}\n${part1}`), content: '', by: nasty, at: nasty },
    ...{ withdrawn: null, giveUpMs: 1000 },
  })
  return pageOn(t, fake.consul)
}

describe('scripts in versions, roll-outs and schedulers', () => {
  it('stay text on every view', async t => {
    const page = await stage(t)
    for (const path of views) {
      const answer = await page.ask(path, { 'watchbill-part': '1', accept: 'text/html' })
      const text = await answer.text()
      assert.equal(answer.status, 200, `${path}: ${text.slice(0, 300)}`)
      for (const raw of ['<img', '<script', '\u202e']) assert.ok(!text.includes(raw), `${path}: ${raw}`)
      for (const [, address = ''] of text.matchAll(/\s(?:href|src|action)="([^"]*)"/g))
        assert.match(address, /^\/(?!\/)/, path)
      for (const [, args = ''] of text.matchAll(/data-args="([^"]*)"/g))
        JSON.parse(
          args.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>'),
        )
    }
    const plan = await page.part('/plan?service=svc')
    assert.ok(plan.includes('plan 1 of &lt;img'), 'the plan was read')
    assert.match(await page.part('/roll?service=svc'), /STOPPED: &lt;img/)
    assert.match(await page.part('/ask?service=svc'), /name="arguments\.&lt;img/)
  })

  it('stay text in what a button says, and on the command line that it names', async t => {
    const page = await stage(t)
    const move = { service: 'svc', action: 'move', arguments: { zone: '$(reboot) `x`', [nasty]: "'; reboot" } }
    const [line] = await linesOf(await page.act('ask', move, true))
    assert.equal(
      line?.command,
      `watchbill ask svc move 'zone=$(reboot) \`x\`' '${`${nasty}='; reboot`.replaceAll("'", "'\\''")}'`,
    )
    const [begun] = await linesOf(await page.act('roll', { service: 'svc', to: nasty }, true))
    assert.match(String(begun?.error), /is under way|no version/)
  })
})

describe('the new views and buttons', () => {
  it('are not there without the secret, nor for another site', async t => {
    const page = await stage(t)
    for (const path of ['/roll?service=svc', '/ask?service=svc']) {
      for (const authorization of ['', 'Bearer guess'])
        assert.equal((await page.ask(path, { authorization, accept: 'application/json' })).status, 401, path)
      assert.equal((await page.ask(path, { 'sec-fetch-site': 'cross-site' })).status, 403, path)
      assert.equal((await page.ask(path, { host: 'evil.example:8600' })).status, 421, path)
    }
    const revert = { service: 'svc', id: 'r1' }
    const before = await page.json('/roll?service=svc')
    assert.equal((await page.act('roll-revert', revert, false, { authorization: '' })).status, 401)
    assert.equal((await page.act('roll-revert', revert, false, { origin: 'http://evil.example' })).status, 403)
    assert.equal((await page.act('ask', revert, false, { 'content-type': 'text/plain' })).status, 400)
    for (const path of ['/act?act=roll-revert&service=svc', '/roll?service=svc&revert=1&proceed=1'])
      await page.app.request(`${origin}${path}`, { headers: { host, authorization: 'Bearer a-secret-of-this-test' } })
    assert.deepEqual(await page.json('/roll?service=svc'), before)
  })

  it('no path leads out of a service', async t => {
    const page = await stage(t)
    for (const name of ['..', '../..', '../../etc', 'a/../b', '\0', 'a\nb', '.scheduler', '.events/svc'])
      for (const path of ['/roll', '/ask', '/plan']) {
        const answer = await page.ask(`${path}?service=${encodeURIComponent(name)}`, { accept: 'application/json' })
        assert.equal(answer.status, 404, `${path} ${JSON.stringify(name)}: ${await answer.text()}`)
      }
    for (const path of ['/roll/../../etc/passwd', '/ask/x', '/roll%2f..'])
      assert.equal((await page.ask(path, { accept: 'application/json' })).status, 404, path)
  })

  it('a garbled record, duty or plan is shown as what it is', async t => {
    const fake = await serviceIn(t)
    for (const text of ['', 'null', '[]', '{"id":1}', '"x"', '{"actions":[1,{"title":{}}],"by":{}}', '{"steps":"x"}']) {
      for (const key of [keys.roll, keys.duty('scheduler'), keys.plan, keys.ask('x'), `${schedulerRoot('svc')}last`])
        fake.memory.put(key, text)
      const page = pageOn(t, fake.consul)
      for (const path of views)
        assert.equal((await page.ask(path, { accept: 'application/json' })).status, 200, `${path}: ${text}`)
      for (const path of views) assert.match(await page.part(path), /<h1/, `${path}: ${text}`)
    }
  })
})
