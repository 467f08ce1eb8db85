// Children and order of the path tree. Iterative everywhere: a tree may be 10 000 deep.

import type { PathTable } from '../data/paths';

export type PathKey = 'totalNs' | 'selfNs' | 'calls' | 'minNs' | 'meanNs' | 'maxNs' | 'firstStartNs';

export function pathValue(paths: PathTable, key: PathKey, path: number): number {
  return key === 'meanNs' ? paths.totalNs[path] / Math.max(1, paths.calls[path]) : paths[key][path];
}

export class PathTree {
  private readonly childStart: Int32Array; // children of p: child[childStart[p]] … child[childStart[p + 1] - 1]
  private readonly child: Int32Array;
  private sortedBy: PathKey = 'totalNs';
  private sorted: Uint8Array;
  private preorderCache: Int32Array | null = null;

  constructor(readonly paths: PathTable) {
    const count = paths.count;
    this.childStart = new Int32Array(count + 1);
    for (let p = 1; p < count; p++) this.childStart[paths.parent[p] + 1]++;
    for (let p = 0; p < count; p++) this.childStart[p + 1] += this.childStart[p];
    const fill = this.childStart.slice(0, count);
    this.child = new Int32Array(Math.max(0, count - 1));
    for (let p = 1; p < count; p++) this.child[fill[paths.parent[p]]++] = p;
    this.sorted = new Uint8Array(count);
  }

  get sortKey(): PathKey {
    return this.sortedBy;
  }

  sortBy(key: PathKey): void {
    if (key === this.sortedBy) return;
    this.sortedBy = key;
    this.sorted.fill(0);
    this.preorderCache = null;
  }

  childCount(path: number): number {
    return this.childStart[path + 1] - this.childStart[path];
  }

  /** Largest first (first start: earliest first). Sorted when first asked for. */
  children(path: number): Int32Array {
    const slice = this.child.subarray(this.childStart[path], this.childStart[path + 1]);
    if (!this.sorted[path]) {
      this.sorted[path] = 1;
      const sign = this.sortedBy === 'firstStartNs' ? 1 : -1;
      const value = (p: number) => pathValue(this.paths, this.sortedBy, p);
      slice.sort((a, b) => sign * (value(a) - value(b)) || a - b);
    }
    return slice;
  }

  /** Children as shown when some functions are hidden: a hidden one is replaced, in place, by its own shown children. */
  shownChildren(path: number, hidden: (fn: number) => boolean): number[] {
    const shown: number[] = [];
    const pending = [...this.children(path)].reverse();
    while (pending.length > 0) {
      const p = pending.pop()!;
      if (!hidden(this.paths.function[p])) shown.push(p);
      else for (const c of this.children(p).slice().reverse()) pending.push(c);
    }
    const sign = this.sortedBy === 'firstStartNs' ? 1 : -1;
    return shown.sort((a, b) => sign * (pathValue(this.paths, this.sortedBy, a) - pathValue(this.paths, this.sortedBy, b)) || a - b);
  }

  /** For each path, 1 when some path below it is shown. */
  shownBelow(hidden: (fn: number) => boolean): Uint8Array {
    const below = new Uint8Array(this.paths.count);
    for (let p = this.paths.count - 1; p > 0; p--) {
      if (below[p] || !hidden(this.paths.function[p])) below[this.paths.parent[p]] = 1;
    }
    return below;
  }

  /** Position of each path in the tree read from top to bottom. */
  preorder(): Int32Array {
    if (this.preorderCache) return this.preorderCache;
    const order = new Int32Array(this.paths.count);
    const pending = [0];
    for (let position = 0; pending.length > 0; position++) {
      const path = pending.pop()!;
      order[path] = position;
      const children = this.children(path);
      for (let i = children.length - 1; i >= 0; i--) pending.push(children[i]);
    }
    return (this.preorderCache = order);
  }

  /** From the root to the path, the run (path 0) left out. */
  chain(path: number): number[] {
    const chain: number[] = [];
    for (let p = path; p > 0; p = this.paths.parent[p]) chain.push(p);
    return chain.reverse();
  }
}
