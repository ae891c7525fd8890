/** The field `metrics`: where figures come from and go to. */
import * as z from 'zod/mini'
import { about, fields, give, giveUnseen, passableText } from './fields.ts'

const metricsUrlWanted = giveUnseen('an http:// or https:// URL without a user in it')

const textfileWanted = give('an absolute path that ends with .prom')

export const metrics = fields({
  url: z.optional(
    about(
      z.string(metricsUrlWanted).check(z.refine(isMetricsUrl, metricsUrlWanted)),
      'Read every 30 s for each partition: lines of OpenMetrics. {partition}, {node}, {instance} and {service} are ' +
        'replaced, percent-encoded.',
      'http://127.0.0.1:9{partition}/metrics',
    ),
  ),
  textfile: z.optional(
    about(
      passableText().check(z.regex(/^\/.*\.prom$/, textfileWanted)),
      "Written every 30 s: the metrics of the service on this machine, for node_exporter's textfile directory.",
      '/var/lib/prometheus/node-exporter/watchbill-consumer.prom',
    ),
  ),
})

/** With a number in the place of each placeholder, which may stand in the port. */
function isMetricsUrl(text: string): boolean {
  const filled = text.replace(/\{(partition|node|instance|service)\}/g, '1')
  return URL.canParse(filled) && /^https?:$/.test(new URL(filled).protocol) && new URL(filled).username === ''
}
