/** From a definition file to a Definition, or to the one line that says why not. */
import type { Definition } from './definition.ts'
import { jsonFault } from './json.ts'
import { normalised } from './normalise.ts'
import { firstOf } from './problems.ts'
import { readText, refusal } from './read.ts'
import { timingFault } from './timing.ts'
import { variableFault, variablesHere } from './variables.ts'

/**
 * The definition in `file`, checked and with its defaults filled in.
 * @throws Permanent when it is wrong or missing: one line that names the file and the field.
 * @throws Temporary when it cannot be read for a reason that may pass.
 */
export async function loadDefinition(file: string, variables = variablesHere()): Promise<Definition> {
  return parseDefinition(await readText(file), file, variables)
}

/** The same for a text at hand; `file` is only named in what is thrown. */
export async function parseDefinition(text: string, file: string, variables = variablesHere()): Promise<Definition> {
  const fault = jsonFault(text)
  if (fault) throw refusal(file, `line ${fault.line}, column ${fault.column}: ${fault.problem}`)
  // Late: most runs of a handler end before they need a definition.
  const { schema } = await import('./schema.ts')
  const result = schema.safeParse(JSON.parse(text))
  if (!result.success) throw refusal(file, firstOf(result.error.issues))
  const lack = variableFault(result.data, variables)
  if (lack) throw refusal(file, lack)
  const definition = normalised(result.data, variables)
  const misfit = timingFault(definition)
  if (misfit) throw refusal(file, misfit)
  return definition
}
