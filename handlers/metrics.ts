/**
 * Runs when:      Prometheus asks, through the units in packaging/prometheus/; or somebody wants to see the metrics
 * Reads:          the figures in the state directories of this machine
 * May change:     the file of --to
 * Never changes:  anything else
 * Exits:          0; 111 the state directory cannot be read, or the file not written
 */
import { contentTypes, type Format } from '../lib/attend/metrics/text.ts'
import { page, writeTextfile } from '../lib/attend/metrics/textfile.ts'
import { printBytes, program, remark } from '../lib/program/frame.ts'
import { answerTo, readRequest } from '../lib/program/http-answer.ts'
import { stateRoot } from '../lib/state/paths.ts'

program({
  name: 'metrics',
  about: 'Prints the figures of this machine as metrics for Prometheus.',
  args: {
    service: { type: 'positional', description: 'the Consul service name (default: all)', required: false },
    to: { type: 'string', description: 'write them into this file, by rename, instead of printing them' },
    openmetrics: { type: 'boolean', description: "as OpenMetrics 1.0 instead of Prometheus' text format" },
    http: { type: 'boolean', description: 'answer the HTTP request on stdin, for a socket unit of systemd' },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
  },
  deadline: 20_000,
  async run({ service = null, to, openmetrics, http, state }) {
    const root = state || stateRoot()
    const metrics = (format: Format, say = remark) => page(root, service, format, say)
    const format = openmetrics ? 'open' : 'plain'
    if (http) {
      const request = await readRequest()
      const wanted = request !== null && /openmetrics-text/.test(request.accept) ? 'open' : format
      printBytes(answerTo(request, contentTypes[wanted], () => metrics(wanted)))
    } else if (to === undefined) printBytes(Buffer.from(metrics(format)))
    else writeTextfile(to, metrics(format))
  },
})
