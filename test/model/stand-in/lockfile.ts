/**
 * proper-lockfile for the programs of the model. The real one keeps its locks in the memory of a process, which all
 * programs of the model share. Its changes to the lock directory are the same.
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
