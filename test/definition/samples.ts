/** The smallest definition that loads; tests add to it what they are about. */
export const smallest = { name: 'consumer', partitions: { range: [0, 1] }, run: { command: ['./consume'] } }
