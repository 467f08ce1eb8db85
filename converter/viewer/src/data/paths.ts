// The path tree as columns, exact, in ns.

import { PathColumn } from './contract';
import { DecodeError, splitColumns } from './varint';

export interface PathTable {
  count: number;
  parent: Int32Array; // -1 for path 0
  function: Int32Array; // -1: the run (path 0) or "others"
  depth: Int32Array;
  calls: Float64Array;
  raised: Float64Array;
  unfinished: Float64Array;
  totalNs: Float64Array;
  selfNs: Float64Array;
  suspendedNs: Float64Array;
  minNs: Float64Array;
  maxNs: Float64Array;
  firstStartNs: Float64Array;
  lastEndNs: Float64Array;
}

export function createPathTable(count: number): PathTable {
  const floats = () => new Float64Array(count);
  const ints = () => new Int32Array(count);
  return {
    count,
    parent: ints(), function: ints(), depth: ints(),
    calls: floats(), raised: floats(), unfinished: floats(),
    totalNs: floats(), selfNs: floats(), suspendedNs: floats(), minNs: floats(), maxNs: floats(),
    firstStartNs: floats(), lastEndNs: floats(),
  };
}

/** Decodes one `paths` block into rows first … first + count of the table. */
export function decodePaths(raw: Uint8Array, table: PathTable, first: number, count: number): void {
  const columns = splitColumns(raw, PathColumn.Count, 'paths');
  const read = (column: PathColumn) => columns[column].read();
  for (let path = first; path < first + count; path++) {
    const parent = path - read(PathColumn.Parent);
    if (parent < 0 || (parent === path && path > 0)) throw new DecodeError(`path ${path} has no valid parent`);
    table.parent[path] = path === 0 ? -1 : parent;
    table.depth[path] = path === 0 ? -1 : table.depth[parent] + 1;
    table.function[path] = read(PathColumn.Function) - 1;
    const calls = (table.calls[path] = read(PathColumn.Calls));
    table.raised[path] = read(PathColumn.Raised);
    table.unfinished[path] = read(PathColumn.Unfinished);
    const total = (table.totalNs[path] = read(PathColumn.Total));
    table.selfNs[path] = read(PathColumn.Self);
    table.suspendedNs[path] = read(PathColumn.Suspended);
    const before = path === 0 ? 0 : table.firstStartNs[parent];
    const start = (table.firstStartNs[path] = before + columns[PathColumn.FirstStart].readSigned());
    const several = calls > 1;
    table.minNs[path] = several ? read(PathColumn.Min) : total;
    table.maxNs[path] = several ? read(PathColumn.Max) : total;
    table.lastEndNs[path] = start + (several ? read(PathColumn.LastEnd) : total);
  }
}
