import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBase64 } from '../src/data/base64';
import { readBlock } from '../src/data/blocks';
import { decodeCalls } from '../src/data/calls';
import { crc32 } from '../src/data/crc32';
import { ColumnReader, DecodeError, unzigzag, zigzag } from '../src/data/varint';
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
