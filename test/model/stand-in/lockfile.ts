/**
 * proper-lockfile for the programs of the model: it keeps what it has locked in the memory of the process, which all of
 * them share here. What it does to the lock directory is the same.
 */
interface Options {
  readonly lockfilePath: string
  readonly fs: { mkdirSync(path: string): void; rmdirSync(path: string): void }
}

function lockSync(_directory: string, { lockfilePath, fs }: Options): () => void {
  try {
    fs.mkdirSync(lockfilePath)
  } catch (error) {
    const taken = (error as { code?: string }).code === 'EEXIST'
    throw taken ? Object.assign(new Error('Lock file is already being held'), { code: 'ELOCKED' }) : error
  }
  return () => fs.rmdirSync(lockfilePath)
}

export default { lockSync }
