type FromBase64 = (text: string) => Uint8Array<ArrayBuffer>;

/** Uint8Array.fromBase64 is 4 to 5 times faster than atob, but young. */
const native = (Uint8Array as unknown as { fromBase64?: FromBase64 }).fromBase64;

export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  if (native) return native.call(Uint8Array, text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
