/** The arguments of acts. They come from the page's own HTML, but anybody with the secret can send others. */
import { z } from 'zod'

const name = z.string().min(1).max(500)

export const service = { service: name }
export const instance = { service: name, instance: name }
export const partitions = { service: name, partitions: z.array(name).min(1).max(200) }
export const text = z.string().max(500).default('')
