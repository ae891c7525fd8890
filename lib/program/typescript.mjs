/**
 * Loaded before a program below node_modules, where Node itself refuses TypeScript: strips the types as Node does elsewhere.
 * Nothing is cached: a cache in /tmp could belong to another user and hold that user's code.
 */
import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'

registerHooks({
  load(url, context, next) {
    if (!/^file:.*\/node_modules\/.*\.ts$/.test(url)) return next(url, context)
    const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'))
    return { format: 'module', source, shortCircuit: true }
  },
})
