/** Clusters for node:test: closed when the test is over; kept, and their folder named, when something failed. */
import { after, afterEach, before, type TestContext } from 'node:test'
import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts'

let failed = false

// For the whole file: a test with failed subtests does not know it yet when its own hooks run (Node 24).
afterEach(context => {
  // @types/node 24 does not know it yet.
  const { passed } = context as unknown as { passed: boolean }
  failed ||= !passed
})

/** One cluster for one test. */
export async function clusterFor(test: TestContext, options?: ClusterOptions): Promise<Cluster> {
  const cluster = await startCluster(options)
  test.after(() => close(cluster))
  return cluster
}

/** One cluster for all tests of the file, or of the `describe` that this is called in; there once the tests run. */
export function sharedCluster(options?: ClusterOptions): () => Cluster {
  let cluster: Cluster | null = null
  before(async () => {
    cluster = await startCluster(options)
  })
  after(() => cluster && close(cluster))
  return () => {
    if (cluster) return cluster
    throw new Error('the shared cluster is there only while tests run')
  }
}

async function close(cluster: Cluster): Promise<void> {
  await cluster.close(failed ? { keep: true } : {})
}
