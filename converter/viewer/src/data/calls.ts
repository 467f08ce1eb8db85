// Exact calls: one block of columns to typed arrays. Pure; the encoder is converter/page/call_block.c (and test/encode.ts).

import { CallColumn, CallFlag, LateColumn, Outcome, type BlockEntry } from './contract';
import { DecodeError, splitColumns, type ColumnReader } from './varint';

/** Calls first … first + count; times in quanta since the start of the run. */
export interface CallBlock {
  first: number;
  count: number;
  path: Uint32Array;
  parent: Int32Array; // call number, or -1
  lane: Uint32Array;
  start: Float64Array;
  end: Float64Array;
  self: Float64Array;
  outcome: Uint8Array;
  suspended: Map<number, number>; // by call number; absent: 0
  folded: Map<number, Folded>;
}

export interface Folded {
  calls: number;
  quanta: number;
}

/** What is known of calls that were open when their block was written, by call number. */
export interface LateCall {
  end: number;
  suspended: number;
  self: number;
  outcome: Outcome;
  folded: Folded | null;
}

export function decodeLate(raw: Uint8Array, count: number, into: Map<number, LateCall>, before: number): number {
  const columns = splitColumns(raw, LateColumn.Count, 'late');
  const read = (column: LateColumn) => columns[column].read();
  let call = before;
  for (let i = 0; i < count; i++) {
    call += read(LateColumn.Call);
    const end = read(LateColumn.End);
    const suspended = read(LateColumn.Suspended);
    const self = read(LateColumn.Self);
    const outcome = read(LateColumn.Outcome);
    const calls = read(LateColumn.FoldedCalls);
    const quanta = read(LateColumn.FoldedTime);
    into.set(call, { end, suspended, self, outcome, folded: calls > 0 ? { calls, quanta } : null });
  }
  return call;
}

export function decodeCalls(
  raw: Uint8Array, entry: BlockEntry, pathParent: Int32Array, late: ReadonlyMap<number, LateCall>,
): CallBlock {
  const columns = splitColumns(raw, CallColumn.Count, 'calls');
  const first = entry.first ?? 0;
  const count = entry.count;
  const block: CallBlock = {
    first, count,
    path: new Uint32Array(count), parent: new Int32Array(count), lane: new Uint32Array(count),
    start: new Float64Array(count), end: new Float64Array(count), self: new Float64Array(count),
    outcome: new Uint8Array(count), suspended: new Map(), folded: new Map(),
  };
  const flags = new Uint8Array(count);
  readStarts(block, flags, columns, entry.baseQ ?? 0, pathParent);
  readFlagged(block, flags, columns);
  findParents(block, flags, columns[CallColumn.Parent], pathParent);
  readEnds(block, flags, columns[CallColumn.End], late);
  deriveSelf(block, flags, columns[CallColumn.Self]);
  return block;
}

function readStarts(
  block: CallBlock, flags: Uint8Array, columns: ColumnReader[], base: number, pathParent: Int32Array,
): void {
  let start = base;
  for (let i = 0; i < block.count; i++) {
    const path = columns[CallColumn.Path].read();
    if (path === 0 || path >= pathParent.length) throw new DecodeError(`call ${block.first + i}: no path ${path}`);
    block.path[i] = path;
    block.start[i] = start += columns[CallColumn.Start].readSigned();
    block.lane[i] = columns[CallColumn.Lane].read();
    flags[i] = columns[CallColumn.Flags].read();
    block.outcome[i] = flags[i] & CallFlag.OutcomeMask;
  }
}

function readFlagged(block: CallBlock, flags: Uint8Array, columns: ColumnReader[]): void {
  for (let i = 0; i < block.count; i++) {
    if (flags[i] & CallFlag.Suspended) block.suspended.set(block.first + i, columns[CallColumn.Suspended].read());
    if (flags[i] & CallFlag.Folded) {
      const calls = columns[CallColumn.FoldedCalls].read();
      block.folded.set(block.first + i, { calls, quanta: columns[CallColumn.FoldedTime].read() });
    }
  }
}

function findParents(block: CallBlock, flags: Uint8Array, column: ColumnReader, pathParent: Int32Array): void {
  const { first, path, parent } = block;
  const lastOfLane = new Map<number, number>();
  for (let i = 0; i < block.count; i++) {
    const call = first + i;
    const wanted = pathParent[path[i]];
    if (flags[i] & CallFlag.ExplicitParent) {
      const up = column.read();
      if (up > call) throw new DecodeError(`call ${call} has no valid parent`);
      parent[i] = up === 0 ? -1 : call - up;
    } else if (wanted <= 0) {
      parent[i] = -1;
    } else {
      parent[i] = climb(block, lastOfLane.get(block.lane[i]) ?? -1, wanted, pathParent);
      if (parent[i] < 0) throw new DecodeError(`call ${call}: its parent is not in this block`);
    }
    lastOfLane.set(block.lane[i], call);
  }
}

/** From a call of this block upwards to the first call of the wanted path; the last step may leave the block. */
function climb(block: CallBlock, from: number, wanted: number, pathParent: Int32Array): number {
  let call = from;
  let path = from < 0 ? 0 : block.path[from - block.first];
  while (call >= 0 && path !== wanted) {
    if (call < block.first) return -1;
    call = block.parent[call - block.first];
    path = pathParent[path];
  }
  return call;
}

function readEnds(block: CallBlock, flags: Uint8Array, column: ColumnReader, late: ReadonlyMap<number, LateCall>): void {
  const { first, count, start, end } = block;
  for (let i = 0; i < count; i++) {
    if (!(flags[i] & CallFlag.Late)) end[i] = column.readSigned();
  }
  // A child's number is higher than its parent's: going down, all children are known before their parent.
  const latest = new Float64Array(count);
  for (let i = count - 1; i >= 0; i--) {
    if (flags[i] & CallFlag.Late) applyLate(block, i, late.get(first + i));
    else end[i] += Math.max(latest[i], start[i]);
    const up = block.parent[i] - first;
    if (up >= 0 && !(flags[i] & CallFlag.Late) && end[i] > latest[up]) latest[up] = end[i];
  }
}

function applyLate(block: CallBlock, i: number, facts: LateCall | undefined): void {
  if (!facts) throw new DecodeError(`call ${block.first + i} is not in the late block`);
  block.end[i] = facts.end;
  block.self[i] = facts.self;
  block.outcome[i] = facts.outcome;
  if (facts.suspended > 0) block.suspended.set(block.first + i, facts.suspended);
  if (facts.folded) block.folded.set(block.first + i, facts.folded);
}

function deriveSelf(block: CallBlock, flags: Uint8Array, column: ColumnReader): void {
  const { first, count, start, end, self } = block;
  const below = new Float64Array(count);
  for (let i = count - 1; i >= 0; i--) {
    const up = block.parent[i] - first;
    if (flags[i] & CallFlag.Late || up < 0) continue;
    below[up] += end[i] - start[i] - (block.suspended.get(first + i) ?? 0);
  }
  for (let i = 0; i < count; i++) {
    if (flags[i] & CallFlag.Late) continue;
    const running = end[i] - start[i] - (block.suspended.get(first + i) ?? 0);
    const folded = block.folded.get(first + i)?.quanta ?? 0;
    self[i] = flags[i] & CallFlag.ExplicitSelf ? column.read() : Math.max(0, running - below[i] - folded);
  }
}
