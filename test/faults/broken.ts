/**
 * Breaks one rule of watchbill on purpose, in a copy, and plays the fault that the rule protects against. The lab must
 * catch each break.
 *
 *   npm run test:broken [-- NAME…]
 *
 * Exits 0 when all were caught, or when the machine cannot run the lab; 1 when one was not; 100 usage.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { type Break, breaks } from './breaks.ts'
import { missing } from './needs.ts'

const root = resolve(import.meta.dirname, '../..')
const wanted = process.argv.slice(2)
const unknown = wanted.find(name => !breaks.some(one => one.name === name))
if (unknown !== undefined) {
  const names = breaks.map(({ name }) => `"${name}"`).join(', ')
  console.error(`broken: permanent: cannot break "${unknown}": there is no such break; there are ${names}`)
  process.exit(100)
}

const lack = await missing(console.log)
if (lack !== null) console.log(`skipped: the fault lab cannot run here: ${lack}`)
else
  process.exitCode = (await catchAll(breaks.filter(({ name }) => wanted.length === 0 || wanted.includes(name)))) ? 0 : 1

async function catchAll(breaks: readonly Break[]): Promise<boolean> {
  let caught = 0
  for (const one of breaks) {
    const how = await caughtHow(one)
    console.log(`${one.name}: ${how ?? 'NOT CAUGHT'}`)
    if (how !== null) caught++
  }
  console.log(`${caught} passed, ${breaks.length - caught} failed`)
  return caught === breaks.length
}

/** The sentence about two owners; null when the lab saw none. */
async function caughtHow({ file, from, to, fault, times }: Break): Promise<string | null> {
  const copy = join(root, '.cache', `broken-${process.pid}`)
  try {
    await copyTo(copy)
    const text = readFileSync(join(copy, file), 'utf8')
    if (text.split(from).length !== 2) throw new Error(`${file} does not hold ${JSON.stringify(from)} once`)
    writeFileSync(join(copy, file), text.replace(from, to))
    for (let time = 0; time < times; time++) {
      const { stdout, stderr } = await execa(process.execPath, ['test/faults/run.ts', '--only', fault], {
        cwd: copy,
        reject: false,
      })
      if (!/^\d+ passed, \d+ failed$/m.test(stdout)) throw new Error(`the lab did not run: ${stderr}`)
      const found = /.* had two owners .*/.exec(stdout)
      const kept = /the lab is kept in (\S+)\/[^/]+$/m.exec(stdout)?.[1]
      if (kept) await rm(kept, { recursive: true, force: true })
      if (found) return found[0].trim()
    }
    return null
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** Made below the original, so that large directories can be linked. */
async function copyTo(copy: string): Promise<void> {
  await mkdir(join(copy, '.cache'), { recursive: true })
  for (const part of ['lib', 'handlers', 'test', 'package.json', 'LICENSE']) {
    await cp(join(root, part), join(copy, part), { recursive: true })
  }
  for (const part of ['node_modules', '.cache/consul'].filter(part => existsSync(join(root, part)))) {
    await execa('cp', ['-al', join(root, part), join(copy, part)])
  }
}
