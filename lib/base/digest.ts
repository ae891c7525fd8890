/** A short digest of a text (FNV-1a, 32 bits, twice). Only to see that a text has changed: node:crypto takes 5 ms to load. */
export function digest(text: string): string {
  return [0x811c9dc5, 0x01000193].map(seed => half(text, seed)).join('')
}

/** 32 bits, as 8 hex digits: too little to tell anything of a secret that was a part of the text. */
export function half(text: string, seed = 0x811c9dc5): string {
  let hash = seed
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
