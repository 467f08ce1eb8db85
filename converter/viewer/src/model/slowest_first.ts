export const RANKED = 5000;

/** Indexes of the longest durations, longest first: at most RANKED, and then those of equal length that come first. */
export function slowestFirst(durationNs: Float64Array): Uint32Array {
  let candidates: number[] = [];
  if (durationNs.length <= RANKED) candidates = Array.from(durationNs.keys());
  else {
    // Sorting plain doubles is native and fast; it gives the threshold, and only what reaches it is ranked.
    const threshold = durationNs.slice().sort()[durationNs.length - RANKED];
    for (let i = 0; i < durationNs.length; i++) if (durationNs[i] >= threshold) candidates.push(i);
  }
  candidates.sort((a, b) => durationNs[b] - durationNs[a] || a - b);
  return Uint32Array.from(candidates.slice(0, RANKED));
}
