// Exact calls on demand: blocks are decoded when asked for, and the least recently used are dropped.

import { readBlock } from '../data/blocks';
import { decodeCalls, decodeLate, type CallBlock, type LateCall } from '../data/calls';
import type { BlockEntry } from '../data/contract';
import { decodeCallNotes, type CallNotes } from '../data/notes';
import type { Trace } from './trace';

const BLOCKS_KEPT = 48; // 3 M calls, about 120 MB

export interface Call {
  call: number;
  path: number;
  parent: number;
  lane: number;
  startNs: number;
  endNs: number;
  selfNs: number;
  suspendedNs: number;
  outcome: number;
  foldedCalls: number;
  foldedNs: number;
  waitingNs: number;
  omittedCalls: number;
  omittedNs: number;
  arguments: string | null; // null: not recorded
  hasChildren: boolean;
}

export interface CallPage {
  calls: Call[];
  next: number; // where to go on, or -1
}

/** The calls of one path, in start order. */
export interface PathCalls {
  call: Uint32Array;
  durationNs: Float64Array;
  startNs: Float64Array;
}

export class CallStore {
  private readonly entries: { number: number; entry: BlockEntry }[];
  private readonly decoded = new Map<number, Promise<CallBlock>>();
  private late: Promise<Map<number, LateCall>> | null = null;
  private notes: Map<number, CallNotes> | null = null;
  private readonly withChildren = new WeakMap<CallBlock, Uint8Array>();
  blocksRead = 0;

  constructor(private readonly trace: Trace, private readonly pathHasChildren: (path: number) => boolean) {
    this.entries = trace.directory.blocks
      .map((entry, number) => ({ number, entry }))
      .filter(({ entry }) => entry.kind === 'calls');
  }

  get callCount(): number {
    return this.trace.directory.embedded.calls;
  }

  get blockCount(): number {
    return this.entries.length;
  }

  async call(number: number): Promise<Call> {
    const block = await this.block(this.blockOf(number));
    return this.describe(block, number - block.first);
  }

  /** Calls whose nearest shown ancestor is parent (-1: calls without one), in start order, from call number `from` on. */
  async children(parent: number, from: number, limit: number, hidden: (path: number) => boolean): Promise<CallPage> {
    const calls: Call[] = [];
    const hiddenBelow = new Set<number>();
    const end = parent < 0 ? Infinity : (await this.call(parent)).endNs / this.trace.directory.quantumNs;
    // A later page goes through the calls before it once more when something is hidden: they decide what is attached where.
    const begin = Math.max(parent + 1, 0);
    for (let b = this.blockOf(begin); b < this.entries.length; b++) {
      const block = await this.block(b);
      for (let i = Math.max(0, begin - block.first); i < block.count; i++) {
        const call = block.first + i;
        const up = block.parent[i];
        if (up !== parent && !hiddenBelow.has(up)) {
          if (block.start[i] > end && up < parent) return { calls, next: -1 };
          continue;
        }
        if (hidden(block.path[i])) hiddenBelow.add(call);
        else if (call < from) continue;
        else if (calls.length === limit) return { calls, next: call };
        else calls.push(this.describe(block, i));
      }
    }
    return { calls, next: -1 };
  }

  /** All calls of one path, in start order. */
  async ofPath(path: number, expected: number, stop: () => boolean): Promise<PathCalls> {
    const size = Math.min(expected, this.callCount);
    const found = { call: new Uint32Array(size), durationNs: new Float64Array(size), startNs: new Float64Array(size) };
    let count = 0;
    const quantum = this.trace.directory.quantumNs;
    for (let b = 0; b < this.entries.length && count < size && !stop(); b++) {
      const block = await this.block(b);
      for (let i = 0; i < block.count && count < size; i++) {
        if (block.path[i] !== path) continue;
        found.call[count] = block.first + i;
        found.durationNs[count] = (block.end[i] - block.start[i]) * quantum;
        found.startNs[count++] = block.start[i] * quantum;
      }
    }
    return { call: found.call.subarray(0, count), durationNs: found.durationNs.subarray(0, count), startNs: found.startNs.subarray(0, count) };
  }

  /** The next call after `from` (before it, when step is -1) that the predicate takes; wraps around. -1: none. */
  async find(from: number, step: 1 | -1, takes: (path: number) => boolean): Promise<number> {
    const count = this.entries.length;
    if (count === 0) return -1;
    let b = from < 0 ? 0 : this.blockOf(from);
    let at = from + step;
    for (let turns = 0; turns <= count; turns++) {
      const block = await this.block(b);
      for (let i = at - block.first; i >= 0 && i < block.count; i += step) {
        if (takes(block.path[i])) return block.first + i;
      }
      b = (b + step + count) % count;
      const { entry } = this.entries[b];
      at = (entry.first ?? 0) + (step > 0 ? 0 : entry.count - 1);
    }
    return -1;
  }

  private blockOf(call: number): number {
    let low = 0;
    let high = this.entries.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((this.entries[middle].entry.first ?? 0) <= call) low = middle;
      else high = middle;
    }
    return low;
  }

  private block(index: number): Promise<CallBlock> {
    let block = this.decoded.get(index);
    if (block) this.decoded.delete(index);
    else {
      block = this.decode(index);
      block.catch(() => this.decoded.delete(index));
    }
    this.decoded.set(index, block); // the newest last
    for (const oldest of this.decoded.keys()) {
      if (this.decoded.size <= BLOCKS_KEPT) break;
      this.decoded.delete(oldest);
    }
    return block;
  }

  private async decode(index: number): Promise<CallBlock> {
    this.late ??= this.readLate();
    const late = await this.late;
    this.notes ??= await this.readNotes();
    const { number, entry } = this.entries[index];
    const raw = await readBlock(this.trace.source, number, entry);
    this.blocksRead++;
    return decodeCalls(raw, entry, this.trace.paths.parent, late);
  }

  private async readLate(): Promise<Map<number, LateCall>> {
    const late = new Map<number, LateCall>();
    let before = 0;
    for (const [number, entry] of this.trace.directory.blocks.entries()) {
      if (entry.kind !== 'late') continue;
      before = decodeLate(await readBlock(this.trace.source, number, entry), entry.count, late, before);
    }
    return late;
  }

  private async readNotes(): Promise<Map<number, CallNotes>> {
    for (const [number, entry] of this.trace.directory.blocks.entries()) {
      if (entry.kind === 'notes') return decodeCallNotes(await readBlock(this.trace.source, number, entry), entry.count);
    }
    return new Map();
  }

  private describe(block: CallBlock, i: number): Call {
    const quantum = this.trace.directory.quantumNs;
    const call = block.first + i;
    const folded = block.folded.get(call);
    const notes = this.notes?.get(call);
    return {
      call,
      path: block.path[i],
      parent: block.parent[i],
      lane: block.lane[i],
      startNs: block.start[i] * quantum,
      endNs: block.end[i] * quantum,
      selfNs: block.self[i] * quantum,
      suspendedNs: (block.suspended.get(call) ?? 0) * quantum,
      outcome: block.outcome[i],
      foldedCalls: folded?.calls ?? 0,
      foldedNs: (folded?.quanta ?? 0) * quantum,
      waitingNs: (notes?.waiting ?? 0) * quantum,
      omittedCalls: notes?.omittedCalls ?? 0,
      omittedNs: (notes?.omitted ?? 0) * quantum,
      arguments: notes?.arguments ?? null,
      hasChildren: folded !== undefined || this.hasChildren(block, i),
    };
  }

  /** Seen in the block; when the call outlasts the block, what its path says. */
  private hasChildren(block: CallBlock, i: number): boolean {
    let seen = this.withChildren.get(block);
    if (!seen) {
      seen = new Uint8Array(block.count);
      for (let c = 0; c < block.count; c++) if (block.parent[c] >= block.first) seen[block.parent[c] - block.first] = 1;
      this.withChildren.set(block, seen);
    }
    const outlasts = block.end[i] >= block.start[block.count - 1];
    return seen[i] === 1 || (outlasts && this.pathHasChildren(block.path[i]));
  }
}
