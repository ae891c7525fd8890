/** Turns a definition file into a Definition, or into one line that says why it is refused. */
import type { Definition } from './definition.ts'
import { jsonFault } from './json.ts'
import { normalised } from './normalise.ts'
import { firstOf } from './problems.ts'
import { readText, refusal } from './read.ts'
import { timingFault } from './timing.ts'
import { variableFault, variablesHere } from './variables.ts'

/**
 * The definition in `file`, checked and with its defaults.
 * @throws Permanent when it is wrong or missing: one line that names the file and the field.
 * @throws Temporary when it cannot be read now but may be readable later.
 */
export async function loadDefinition(file: string, variables = variablesHere()): Promise<Definition> {
  return parseDefinition(await readText(file), file, variables)
}

/** Parses a definition from its text; `file` is only named in errors. */
export async function parseDefinition(text: string, file: string, variables = variablesHere()): Promise<Definition> {
  const fault = jsonFault(text)
  if (fault) throw refusal(file, `line ${fault.line}, column ${fault.column}: ${fault.problem}`)
  // Imported late: most runs of a handler end before they need a definition.
  const [{ schema }, { observerFault, whole }] = await Promise.all([import('./schema.ts'), import('./render.ts')])
  const given: unknown = JSON.parse(text)
  const foreign = observerFault(given)
  if (foreign) throw refusal(file, foreign)
  const result = schema.safeParse(whole(given))
  if (!result.success) throw refusal(file, firstOf(result.error.issues))
  const lack = variableFault(result.data, variables)
  if (lack) throw refusal(file, lack)
  const definition = normalised(result.data, variables)
  const misfit = timingFault(definition)
  if (misfit) throw refusal(file, misfit)
  return definition
}
