/**
 * A short digest of a text (FNV-1a, 32 bits, as 8 hex digits). It only shows that a text has changed, and is too short to
 * tell anything of a secret in it. node:crypto would take 5 ms to load.
 */
export function digest(text: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
