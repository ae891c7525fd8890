import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it, test } from 'node:test'
import { WebSocket } from 'ws'
import { type Connection, LinkServer } from '../../examples/websockets/server.ts'
import { judge, type Story } from '../../examples/websockets/verdict.ts'
import { until } from '../lab/until.ts'

const story: Story = {
  links: ['0', '1', '2'],
  start: 1000,
  join: { from: 1000, to: 2000 },
  drop: { from: 2000, to: 3000, count: 1 },
  kill: { from: 3000, to: 4000, pid: 3 },
  end: 5000,
}

/** Instance and process 1 has links 0 and 1, and 2 has link 2; 1 moves to 3, 0 is dropped, 3 is killed. */
const good: readonly Connection[] = [
  connection('0', 1, '10', 100, 2100),
  connection('1', 1, '11', 100, 1100),
  connection('2', 2, '12', 100, null),
  connection('1', 3, '20', 1350, 3001),
  connection('0', 1, '10', 2200, null),
  connection('1', 4, '20', 3500, null),
]

function connection(link: string, pid: number, token: string, opened: number, closed: number | null): Connection {
  return { link, instance: `a${Math.min(pid, 3)}:links`, pid, token, opened, closed }
}

function changed(at: number, change: Partial<Connection>): Connection[] {
  return good.map((one, i) => (i === at ? { ...one, ...change } : one))
}

describe('the verdict on links', () => {
  it('has nothing to say when each was open exactly once', () => {
    assert.deepEqual(judge(good, story), {
      links: 3,
      openOnce: 3,
      openTwice: 0,
      overlapSeconds: 0,
      tokensBack: 0,
      join: { moved: 1, medianSeconds: 0.25, longestSeconds: 0.25 },
      drop: { closed: 1, longestSeconds: 0.1 },
      kill: { closed: 1, againSeconds: 0.5 },
      needless: 0,
      faults: [],
    })
  })

  const slow = { ...story, kill: { ...story.kill, to: 14_000 }, end: 15_000 }
  const cases: [string, readonly Connection[], string[], Story?][] = [
    [
      'one that was opened before it was closed elsewhere',
      changed(3, { opened: 1050 }),
      [
        'link 1 was open twice for 0.05 s: a1:links (pid 1, token 11), a3:links (pid 3, token 20), a3:links (pid 4, token 20)',
      ],
    ],
    [
      'one that is open twice in the end',
      [...good, connection('2', 2, '12', 4500, null)],
      [
        'link 2 was open twice for 0.5 s: a2:links (pid 2, token 12), a2:links (pid 2, token 12)',
        'links were closed and opened 1 times without need',
      ],
    ],
    ['one that is not open in the end', changed(5, { closed: 4500 }), ['link 1 is not open in the end']],
    ['one that never was', good.filter(({ link }) => link !== '2'), ['link 2 is not open in the end']],
    ['a token that goes back', changed(3, { token: '9' }), ['link 1 went back from token 11 to 9']],
    [
      'a join that moves too many',
      [...changed(2, { closed: 1500 }), connection('2', 3, '21', 1600, 3001), connection('2', 4, '21', 3500, null)],
      ['the join moved 2 links, not 1'],
    ],
    [
      'a join that moves none',
      changed(3, { instance: 'a1:links' }),
      ['the join moved 0 links, not 1', 'links were closed and opened 1 times without need'],
    ],
    [
      'another that ended when the server closed one',
      [...changed(2, { closed: 2500 }), connection('2', 2, '12', 2600, null)],
      ['the server closed 1 links; 2 ended'],
    ],
    [
      'one that was closed and opened without need',
      [...changed(2, { closed: 4200 }), connection('2', 2, '12', 4300, null)],
      ['links were closed and opened 1 times without need'],
    ],
    [
      'a killed process that had none',
      good,
      ['the killed process had no link', 'links were closed and opened 1 times without need'],
      { ...story, kill: { ...story.kill, pid: 9 } },
    ],
    [
      'a long time until all were open again',
      changed(5, { opened: 13_500 }),
      ['after kill -9 it took 10.5 s, more than 10'],
      slow,
    ],
    ['one that nobody asked for', [...good, connection('x', 2, '1', 500, null)], ['nobody asked for link x']],
  ]
  for (const [what, record, faults, over = story] of cases) {
    it(`tells of ${what}`, () => assert.deepEqual(judge(record, over).faults, faults))
  }
})

test('the server has each connection open until it sees its end, and then closed', async t => {
  const server = await LinkServer.listen()
  t.after(() => server.close())
  const url = `${server.url}/a%2Fb?token=7&instance=a1:links&pid=4`
  const [left, lost] = [new WebSocket(url), new WebSocket(url)] as const
  await Promise.all([once(left, 'open'), once(lost, 'open')])
  const told = { link: 'a/b', instance: 'a1:links', pid: 4, token: '7' }
  assert.deepEqual(
    server.open().map(({ opened, ...rest }) => rest),
    [told, told].map(one => ({ ...one, closed: null })),
  )
  left.close()
  lost.terminate()
  await until('both to be closed', () => server.open().length === 0)
  assert.ok(server.record.every(({ opened, closed }) => closed !== null && closed >= opened))
})
