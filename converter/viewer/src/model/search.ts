// Which functions a query means. Case does not matter; all words must occur.

import { functionFile, type Trace } from './trace';

export function searchFunctions(trace: Trace, query: string): Uint8Array | null {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return null;
  const { name, module, library } = trace.functions;
  const matches = new Uint8Array(name.length);
  for (let fn = 0; fn < name.length; fn++) {
    const text = `${name[fn]} ${module[fn]} ${library[fn]} ${functionFile(trace, fn)}`.toLowerCase();
    if (words.every((word) => text.includes(word))) matches[fn] = 1;
  }
  return matches;
}
