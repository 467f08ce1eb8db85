// A small, independent encoder of the contract, for tests: what converter/page does in C.

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { BlockSource } from '../src/data/blocks';
import { CONTRACT, CallFlag, type BlockEntry, type Directory, type FunctionTable } from '../src/data/contract';
import { crc32 } from '../src/data/crc32';
import { zigzag } from '../src/data/varint';

export class Columns {
  readonly bytes: number[][];
  constructor(count: number) {
    this.bytes = Array.from({ length: count }, () => []);
  }
  put(column: number, value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes[column].push((rest % 128) | 128);
    this.bytes[column].push(rest);
  }
  raw(): Uint8Array {
    const head = new Columns(1);
    head.put(0, this.bytes.length);
    for (const column of this.bytes) head.put(0, column.length);
    return Uint8Array.from(head.bytes[0].concat(...this.bytes));
  }
}

/** A call as a test writes it. Times in quanta; parent is a call number or -1. */
export interface TestCall {
  path: number;
  parent: number;
  start: number;
  end: number;
  self?: number;
  suspended?: number;
  lane?: number;
  outcome?: number;
  folded?: [calls: number, quanta: number];
}

/** Every parent explicit, no late calls: the simplest form that the decoder takes. */
export function encodeCalls(calls: TestCall[], first: number, baseQ: number): Uint8Array {
  const columns = new Columns(10);
  const latest = new Map<number, number>();
  for (let i = calls.length - 1; i >= 0; i--) {
    const { parent, end } = calls[i];
    latest.set(parent, Math.max(latest.get(parent) ?? 0, end));
  }
  let before = baseQ;
  calls.forEach((call, i) => {
    let flags = (call.outcome ?? 0) | CallFlag.ExplicitParent;
    columns.put(0, call.path);
    columns.put(1, zigzag(call.start - before));
    before = call.start;
    columns.put(3, call.lane ?? 0);
    columns.put(4, zigzag(call.end - Math.max(latest.get(first + i) ?? 0, call.start)));
    columns.put(5, call.parent < 0 ? 0 : first + i - call.parent);
    if (call.suspended) { flags |= CallFlag.Suspended; columns.put(6, call.suspended); }
    if (call.self !== undefined) { flags |= CallFlag.ExplicitSelf; columns.put(7, call.self); }
    if (call.folded) { flags |= CallFlag.Folded; columns.put(8, call.folded[0]); columns.put(9, call.folded[1]); }
    columns.put(2, flags);
  });
  return columns.raw();
}

export interface TestPath {
  parent: number;
  fn: number; // -1: the run
  calls: number;
  total: number;
  self: number;
  start?: number;
}

export function encodePaths(paths: TestPath[]): Uint8Array {
  const columns = new Columns(12);
  paths.forEach((path, i) => {
    const up = path.parent < 0 ? 0 : (paths[path.parent].start ?? 0);
    [i - Math.max(0, path.parent), path.fn + 1, path.calls, 0, 0, path.total, path.self, 0, zigzag((path.start ?? 0) - up)]
      .forEach((value, column) => columns.put(column, value));
    if (path.calls > 1) [1, path.total, path.total].forEach((value, column) => columns.put(9 + column, value));
  });
  if (paths.length > 0) columns.bytes[0][0] = 0;
  return columns.raw();
}

export function functionTable(names: string[], categories: number[]): FunctionTable {
  const zeros = names.map(() => 0);
  return {
    name: names, module: names.map(() => 'app'), library: categories.map((c) => (c === 1 ? '' : 'lib')), files: ['/srv/app.py'],
    file: zeros, line: names.map((_, i) => i + 1), category: categories, flags: zeros, calls: names.map(() => 1),
    raised: zeros, unfinished: zeros, totalNs: zeros, selfNs: zeros, minNs: zeros, maxNs: zeros,
  };
}

export class TestPage implements BlockSource {
  readonly texts: string[] = [];
  readonly entries: BlockEntry[] = [];

  add(kind: BlockEntry['kind'], count: number, raw: Uint8Array, more: Partial<BlockEntry> = {}): void {
    this.texts.push(deflateRawSync(raw).toString('base64'));
    this.entries.push({ kind, count, bytes: raw.length, crc: crc32(raw), ...more });
  }
  text(number: number): string | null {
    return this.texts[number] ?? null;
  }
  inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return Promise.resolve().then(() => new Uint8Array(inflateRawSync(bytes)));
  }
  directory(calls: number, slowestPath: number[]): Directory {
    return {
      contract: CONTRACT, generator: 'test',
      run: { name: 'main', command: 'app.py', startUtc: '', python: '3.14', implementation: 'CPython', host: '', os: '', pid: '', cwd: '', backend: '', outcome: 'returned' },
      labels: [], totals: { wallNs: 1000, calls, events: 2 * calls, functions: 3, lanes: 1, tasks: 0, marks: 0, counters: 0, omittedCalls: 0, omittedNs: 0, raised: 0, unfinished: 0, paths: 3 },
      lanes: ['MainThread'], quantumNs: 1, tickNs: 1, slowestPath, slowestSelf: 0, slowestTotal: -1,
      integrity: { complete: true, cut: false, damagedBlocks: 0, damage: [], warnings: [] },
      embedded: { calls, foldedCalls: 0, foldedRoots: 0, foldedRootsNs: 0, foldedPaths: 0 },
      blocks: this.entries,
    };
  }
}

/** main(user) calls mid(stdlib), which calls leaf(builtin) `leaves` times; main calls leaf once more. */
export function samplePage(leaves: number): TestPage {
  const page = new TestPage();
  page.add('functions', 3, new TextEncoder().encode(JSON.stringify(functionTable(['main', 'mid', 'leaf'], [1, 2, 4]))));
  const span = leaves * 10;
  page.add('paths', 5, encodePaths([
    { parent: -1, fn: -1, calls: 0, total: 0, self: 0 },
    { parent: 0, fn: 0, calls: 1, total: span + 100, self: 80 },
    { parent: 1, fn: 1, calls: 1, total: span, self: span - leaves * 2, start: 10 },
    { parent: 2, fn: 2, calls: leaves, total: leaves * 2, self: leaves * 2, start: 10 },
    { parent: 1, fn: 2, calls: 1, total: 20, self: 20, start: span + 30 },
  ]));
  const calls: TestCall[] = [
    { path: 1, parent: -1, start: 0, end: span + 100 },
    { path: 2, parent: 0, start: 10, end: span + 10 },
  ];
  for (let i = 0; i < leaves; i++) calls.push({ path: 3, parent: 1, start: 10 + i * 10, end: 12 + i * 10 });
  calls.push({ path: 4, parent: 0, start: span + 30, end: span + 50, outcome: 1 });
  page.add('calls', calls.length, encodeCalls(calls, 0, 0), { first: 0, baseQ: 0 });
  return page;
}
