/** The tick of an observer: what a member's guard does for its files. */
import type { Consul } from '../consul/http.ts'
import { isRenderDue } from '../guard/render-due.ts'
import { startDetached } from '../process/beside.ts'
import { enterState } from '../state/boot.ts'
import { putOfferedInForce } from '../state/definition.ts'
import { readRendered } from '../state/renders.ts'
import type { Self } from '../state/self.ts'

/** @returns what it found, for Consul's page @throws Temporary when Consul does not answer; Permanent for a wrong definition */
export async function observe(consul: Consul, here: Self): Promise<string> {
  enterState(here.files, here.instance, here.service)
  const { definition, problem } = await putOfferedInForce(here.files, here.definitionFile, here.serviceId)
  const { render } = definition
  if (render === undefined) return 'nothing to render: the definition names no files'
  if (await isRenderDue(consul, here, render)) startDetached('rerender', here)
  const { files, problems } = readRendered(here.files)
  return [`${files.length} files rendered`, problem ?? [], ...problems].flat().join('; ')
}
