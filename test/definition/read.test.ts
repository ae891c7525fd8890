import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Permanent, Temporary } from '../../lib/base/errors.ts'
import { readText } from '../../lib/definition/read.ts'

const directory = mkdtempSync(join(tmpdir(), 'definition-'))
const inside = (name: string) => join(directory, name)
after(() => rmSync(directory, { recursive: true }))

async function refusal(file: string): Promise<string> {
  const error = await readText(file).catch(thrown => thrown)
  assert.ok(error instanceof Permanent, `it was not refused as permanent: ${error}`)
  assert.ok(error.message.startsWith('cannot use the definition '))
  return error.message.slice('cannot use the definition '.length)
}

test('a byte order mark is not part of the text', async () => {
  writeFileSync(inside('marked.json'), '\ufeff{}')
  assert.equal(await readText(inside('marked.json')), '{}')
})

test('a missing file is permanent', async () => {
  assert.equal(
    await refusal('/nowhere/x.json'),
    '/nowhere/x.json: there is no such file; write it, or set WATCHBILL_CONFIG to the directory it is in',
  )
})

test('a directory, a device and a pipe are refused before they are read', { timeout: 5000 }, async () => {
  mkdirSync(inside('directory'))
  execFileSync('mkfifo', [inside('pipe')])
  for (const file of [inside('directory'), inside('pipe'), '/dev/zero']) {
    assert.equal(await refusal(file), `${file}: it is not a file; name the JSON file itself`)
  }
})

test('a path that cannot lead to a file is permanent', async () => {
  writeFileSync(inside('file'), '')
  symlinkSync('loop', inside('loop'))
  const reason = async (file: string) => (await refusal(file)).split(': ').at(-1)
  assert.equal(await reason(inside('file/x.json')), 'a part of its path is not a directory; correct the path')
  assert.equal(await reason(inside('loop')), 'its path is a loop of symbolic links; correct the path')
  assert.equal(await reason(inside('x'.repeat(300))), 'its name is too long; use a shorter one')
  assert.equal(await reason(inside('a\0b')), 'its name holds a NUL character; correct the path')
})

test('a file that is not UTF-8 is refused: two ids could become the same one', async () => {
  writeFileSync(inside('latin1.json'), Buffer.from([0x22, 0xfc, 0x22]))
  assert.equal(await refusal(inside('latin1.json')), `${inside('latin1.json')}: it is not UTF-8; save it as UTF-8`)
})

/** Makes reading fail as the kernel would: neither of these can be brought about as root. */
async function whileReadingFailsWith(code: string, errno: number, body: () => Promise<void>) {
  const { readFile } = promises
  promises.readFile = (async () => {
    throw Object.assign(new Error(`${code}: a line\nbreak`), { code, errno })
  }) as typeof readFile
  syncBuiltinESMExports()
  try {
    await body()
  } finally {
    promises.readFile = readFile
    syncBuiltinESMExports()
  }
}

test('a file that may not be read is permanent', async () => {
  const file = inside('secret.json')
  writeFileSync(file, '{}')
  await whileReadingFailsWith('EACCES', -13, async () => {
    assert.equal(await refusal(file), `${file}: it may not be read; let the user that runs the Consul agent read it`)
  })
})

test('a failure that may pass is temporary', async () => {
  const file = inside('busy.json')
  writeFileSync(file, '{}')
  for (const [code, errno, reason] of [
    ['EIO', -5, 'i/o error'],
    ['EMFILE', -24, 'too many open files'],
  ] as const) {
    await whileReadingFailsWith(code, errno, async () => {
      await assert.rejects(readText(file), new Temporary(`cannot read the definition ${file}: ${reason}; try again`))
    })
  }
})
