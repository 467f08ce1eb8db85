// The two trees: paths (equal siblings merged) and exact calls.

import type { CallPage, CallStore } from './call_store';
import type { PathTree } from './path_tree';
import { callRow, foldedRow, moreRow, pathRow, type Row } from './row';
import type { Trace } from './trace';

export const CALLS_PER_PAGE = 500;

export interface RowSource {
  /** The rows below a row; below the run for null. */
  children(row: Row | null): Row[] | Promise<Row[]>;
  /** The rows that replace a `more` row. */
  more(row: Row): Promise<Row[]>;
}

export class MergedSource implements RowSource {
  private readonly below: Uint8Array;

  constructor(private readonly tree: PathTree, private readonly hidden: (fn: number) => boolean) {
    this.below = tree.shownBelow(hidden);
  }

  children(row: Row | null): Row[] {
    const depth = row ? row.depth + 1 : 0;
    return this.tree
      .shownChildren(row ? row.path : 0, this.hidden)
      .map((path) => pathRow(path, depth, row?.key ?? '', this.below[path] === 1));
  }

  more(): Promise<Row[]> {
    return Promise.resolve([]);
  }
}

export class EveryCallSource implements RowSource {
  private readonly below: Uint8Array;
  private readonly pathHidden: (path: number) => boolean;

  constructor(
    private readonly trace: Trace, tree: PathTree, private readonly calls: CallStore, hidden: (fn: number) => boolean,
  ) {
    this.below = tree.shownBelow(hidden);
    this.pathHidden = (path) => hidden(trace.paths.function[path]);
  }

  async children(row: Row | null): Promise<Row[]> {
    if (this.calls.blockCount === 0) return [];
    const parent = row?.call?.call ?? -1;
    const page = await this.calls.children(parent, 0, CALLS_PER_PAGE, this.pathHidden);
    return this.rows(page, row ? row.depth + 1 : 0, row?.key ?? '', row?.path ?? 0, parent, row);
  }

  async more(row: Row): Promise<Row[]> {
    const page = await this.calls.children(row.parentCall, row.next, CALLS_PER_PAGE, this.pathHidden);
    return this.rows(page, row.depth, row.parentKey, row.path, row.parentCall, null);
  }

  private rows(page: CallPage, depth: number, key: string, path: number, parent: number, above: Row | null): Row[] {
    const rows = page.calls.map((call) =>
      callRow(call, depth, key, (call.hasChildren && this.below[call.path] === 1) || call.foldedCalls > 0));
    if (page.next >= 0) rows.push(moreRow(key, path, depth, parent, page.next));
    const folded = this.foldedBelow(above, parent);
    if (folded.calls > 0) rows.push(foldedRow(key, path, depth, folded.calls, folded.ns));
    return rows;
  }

  private foldedBelow(above: Row | null, parent: number): { calls: number; ns: number } {
    if (above?.call) return { calls: above.call.foldedCalls, ns: above.call.foldedNs };
    const { foldedRoots, foldedRootsNs } = this.trace.directory.embedded;
    return parent < 0 && above === null ? { calls: foldedRoots, ns: foldedRootsNs } : { calls: 0, ns: 0 };
  }
}
