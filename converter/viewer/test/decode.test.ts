import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBase64 } from '../src/data/base64';
import { readBlock } from '../src/data/blocks';
import { decodeCalls } from '../src/data/calls';
import { crc32 } from '../src/data/crc32';
import { decodeCallNotes, decodePathNotes } from '../src/data/notes';
import { ColumnReader, DecodeError, unzigzag, zigzag } from '../src/data/varint';
import { CallStore } from '../src/model/call_store';
import { loadTrace } from '../src/model/trace';
import { Columns, encodeCalls, samplePage } from './encode';

test('varints keep 53 bits', () => {
  for (const value of [0, 1, 127, 128, 16383, 16384, 2 ** 31, 2 ** 32 + 5, 2 ** 53 - 1]) {
    const columns = new Columns(1);
    columns.put(0, value);
    assert.equal(new ColumnReader(Uint8Array.from(columns.bytes[0]), 'x').read(), value);
  }
  for (const value of [0, 1, -1, 63, -64, 2 ** 40, -(2 ** 40)]) assert.equal(unzigzag(zigzag(value)), value);
  assert.throws(() => new ColumnReader(Uint8Array.of(0x80), 'x').read(), DecodeError);
});

test('crc32 is that of zlib', () => {
  assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
});

test('base64', () => {
  assert.deepEqual([...decodeBase64('AAECAw==')], [0, 1, 2, 3]);
});

test('calls come back with self derived from their children', () => {
  const raw = encodeCalls([
    { path: 1, parent: -1, start: 5, end: 105 },
    { path: 2, parent: 0, start: 10, end: 60, suspended: 20 },
    { path: 2, parent: 0, start: 70, end: 90, outcome: 1, self: 3, folded: [4, 17] },
  ], 0, 5);
  const block = decodeCalls(raw, { kind: 'calls', count: 3, bytes: 0, crc: 0, first: 0, baseQ: 5 }, Int32Array.of(-1, 0, 1), new Map());
  assert.deepEqual([...block.start], [5, 10, 70]);
  assert.deepEqual([...block.end], [105, 60, 90]);
  assert.deepEqual([...block.self], [100 - 30 - 20, 30, 3]);
  assert.deepEqual([...block.parent], [-1, 0, 0]);
  assert.equal(block.outcome[2], 1);
  assert.deepEqual(block.folded.get(2), { calls: 4, quanta: 17 });
});

test('a damaged or missing block is named, never shown', async () => {
  const page = samplePage(3);
  await assert.rejects(readBlock(page, 0, { ...page.entries[0], crc: 1 }), /checksum/);
  await assert.rejects(readBlock(page, 99, page.entries[0]), /cut/);
  page.texts[1] = 'AAAA';
  await assert.rejects(readBlock(page, 1, page.entries[1]), /does not inflate|checksum/);
  await assert.rejects(loadTrace(page, { ...page.directory(6, []), contract: 9 }), /contract 9/);
});

function notes(rows: number[][], text: string, textColumn = 5): Uint8Array {
  const columns = new Columns(6);
  for (const row of rows) row.forEach((value, column) => columns.put(column, value));
  columns.bytes[textColumn].push(...new TextEncoder().encode(text));
  return columns.raw();
}

test('notes of calls come back, with their arguments', () => {
  const found = decodeCallNotes(notes([[3, 40, 0, 0, 6], [2, 0, 7, 100, 0], [1, 0, 0, 0, 1]], 'x=\u00e91'), 3);
  assert.deepEqual(found.get(3), { waiting: 40, omittedCalls: 0, omitted: 0, arguments: 'x=\u00e91' });
  assert.deepEqual(found.get(5), { waiting: 0, omittedCalls: 7, omitted: 100, arguments: null });
  assert.equal(found.get(6)?.arguments, '');
  assert.throws(() => decodeCallNotes(notes([[3, 0, 0, 0, 9]], 'short'), 1), DecodeError);
});

test('notes of paths come back', () => {
  const columns = new Columns(5);
  for (const row of [[0, 900, 0, 4, 40], [3, 900, 500, 0, 0]]) row.forEach((value, column) => columns.put(column, value));
  const found = decodePathNotes(columns.raw(), 2);
  assert.deepEqual(found.get(0), { waitingNs: 900, selfWaitingNs: 0, omittedCalls: 4, omittedNs: 40 });
  assert.deepEqual(found.get(3), { waitingNs: 900, selfWaitingNs: 500, omittedCalls: 0, omittedNs: 0 });
});

test('a call says what its notes say', async () => {
  const page = samplePage(2);
  page.add('notes', 1, notes([[1, 5, 2, 6, 4]], 'x=1'));
  const trace = await loadTrace(page, page.directory(5, []));
  const store = new CallStore(trace, () => true);
  const [plain, noted] = [await store.call(0), await store.call(1)];
  assert.deepEqual([plain.waitingNs, plain.omittedCalls, plain.arguments], [0, 0, null]);
  assert.deepEqual([noted.waitingNs, noted.omittedCalls, noted.omittedNs, noted.arguments], [5, 2, 6, 'x=1']);
});
