/** The words of `status` for a partition whose start waits for its file. */
export const unrenderedWords = 'queued: waits until its file is rendered'
