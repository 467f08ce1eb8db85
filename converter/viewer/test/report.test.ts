// Reads pages that cp2html wrote (folder in REPORTS) and checks that single calls and the exact sums agree.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { readBlock, type BlockSource } from '../src/data/blocks';
import { decodeCalls, decodeLate, type LateCall } from '../src/data/calls';
import type { Directory } from '../src/data/contract';
import { loadTrace } from '../src/model/trace';

const folder = process.env.REPORTS ?? '';
const pages = folder ? readdirSync(folder).filter((name) => name.endsWith('.html')) : [];

function openPage(file: string): { source: BlockSource; directory: Directory } {
  const html = readFileSync(file, 'utf8');
  const inside = (id: string) => {
    const start = html.indexOf(`id="${id}">`);
    return start < 0 ? null : html.slice(start + id.length + 6, html.indexOf('</script>', start));
  };
  return {
    source: {
      text: (number) => inside(`cp-block-${number}`),
      inflate: (bytes) => Promise.resolve(new Uint8Array(inflateRawSync(bytes))),
    },
    directory: JSON.parse(inside('cp-directory')!) as Directory,
  };
}

for (const name of pages) {
  test(`${name}: single calls add up to the path tree`, async () => {
    const { source, directory } = openPage(path.join(folder, name));
    const trace = await loadTrace(source, directory);
    const late = new Map<number, LateCall>();
    for (const [number, entry] of directory.blocks.entries()) {
      if (entry.kind === 'late') decodeLate(await readBlock(source, number, entry), entry.count, late, 0);
    }
    const { paths } = trace;
    const { totals } = directory;
    const omitted = [...trace.pathNotes.values()].reduce((sum, notes) => [sum[0] + notes.omittedCalls, sum[1] + notes.omittedNs], [0, 0]);
    assert.deepEqual(omitted, [totals.omittedCalls, totals.omittedNs]);
    assert.equal(trace.pathNotes.get(0)?.waitingNs ?? 0, totals.waitingNs ?? 0);
    const calls = new Float64Array(paths.count);
    const total = new Float64Array(paths.count);
    const self = new Float64Array(paths.count);
    const foldedBelow = { calls: directory.embedded.foldedRoots };
    const pathOf = new Map<number, number>([[-1, 0]]);
    let seen = 0;
    for (const [number, entry] of directory.blocks.entries()) {
      if (entry.kind !== 'calls') continue;
      const block = decodeCalls(await readBlock(source, number, entry), entry, paths.parent, late);
      for (let i = 0; i < block.count; i++) {
        const p = block.path[i];
        const call = block.first + i;
        if (trace.functions.calls.length > 0 && (late.has(call) || i < 100_000)) pathOf.set(call, p);
        assert.ok(block.end[i] >= block.start[i], `call ${call} ends before it starts`);
        if (paths.function[p] >= 0) assert.equal(pathOf.get(block.parent[i]), paths.parent[p], `call ${call}: parent path`);
        calls[p]++;
        total[p] += block.end[i] - block.start[i];
        self[p] += block.self[i];
        foldedBelow.calls += block.folded.get(call)?.calls ?? 0;
      }
      seen += block.count;
    }
    assert.equal(seen, directory.embedded.calls);
    assert.equal(seen + directory.embedded.foldedCalls, directory.totals.calls);
    assert.equal(foldedBelow.calls, directory.embedded.foldedCalls);
    if (directory.embedded.foldedCalls > 0) return;
    for (let p = 1; p < paths.count; p++) {
      assert.equal(calls[p], paths.calls[p], `path ${p}: calls`);
      const tolerance = 3 * Math.sqrt(calls[p]) + 2;
      // "others" counts a path below another of its paths once only
      if (paths.function[p] >= 0) assert.ok(Math.abs(total[p] - paths.totalNs[p] / directory.quantumNs) <= tolerance, `path ${p}: total ${total[p]} ${paths.totalNs[p]}`);
      const selfTolerance = 6 * calls[p] + tolerance + self[p] / 50;
      assert.ok(Math.abs(self[p] - paths.selfNs[p] / directory.quantumNs) <= selfTolerance, `path ${p}: self ${self[p]} ${paths.selfNs[p]}`);
    }
  });
}
