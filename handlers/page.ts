/**
 * Runs when:      somebody wants to see the cluster in a browser; or systemd, at the first request to its socket
 * Reads:          Consul, the state directory of this machine
 * May change:     what the programs named on its buttons change, when somebody presses one
 * Never changes:  anything by itself; it runs no command
 * Exits:          0 at Ctrl-C, or when nobody has been there for the time of --idle
 */
import { duration } from '../lib/base/clock.ts'
import { Permanent } from '../lib/base/errors.ts'
import { startPage } from '../lib/page/start.ts'
import { program } from '../lib/program/frame.ts'
import { consulArgs } from '../lib/program/operator.ts'
import { stateRoot } from '../lib/state/paths.ts'

program({
  name: 'page',
  about: 'Serves a page that shows the cluster, live, with buttons for what operators do.',
  args: {
    listen: {
      type: 'string',
      description:
        'host:port, [address]:port or /path/of/a.sock (default: a free port of 127.0.0.1, or what systemd hands over)',
    },
    open: { type: 'boolean', description: 'open it in the browser of this desktop' },
    idle: { type: 'string', description: 'end when nobody has been there for so long, such as 15m (default: never)' },
    'ask-token': {
      type: 'boolean',
      description: 'no power of its own: each viewer types a Consul token, and sees and does what that may',
    },
    documents: {
      type: 'boolean',
      description: "show partitions' documents on demand; --no-documents: never",
      default: true,
    },
    logs: { type: 'boolean', description: 'show the end of the logs on this machine; --no-logs: never', default: true },
    cert: {
      type: 'string',
      description: 'a file with the TLS certificate; needed for any address but those of loopback',
    },
    key: { type: 'string', description: 'a file with its key' },
    host: { type: 'string', description: 'another name under which the page is opened; several with spaces' },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...consulArgs,
  },
  deadline: null,
  async run(args) {
    const idle = args.idle === undefined ? null : duration(args.idle)
    if (args.idle !== undefined && (idle === null || idle < 1000))
      throw new Permanent(`cannot read the arguments: --idle ${args.idle} is no duration of at least 1s`)
    await startPage({
      ...{ listen: args.listen, open: args.open ?? false, idle, cert: args.cert, key: args.key },
      ...{ askToken: args['ask-token'] ?? false, documents: args.documents, logs: args.logs },
      ...{ names: (args.host ?? '').split(/\s+/).filter(Boolean), state: args.state || stateRoot() },
      ...{ address: args['http-addr'], tokenFile: args['token-file'] },
    })
  },
})
