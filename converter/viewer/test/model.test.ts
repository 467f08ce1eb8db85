import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPathTable } from '../src/data/paths';
import { clockFormat, formatCount, formatNs, formatPercent, visibleText } from '../src/model/format';
import { PathTree } from '../src/model/path_tree';
import { MergedSource } from '../src/model/row_source';
import { slowestFirst } from '../src/model/slowest_first';
import { loadTrace } from '../src/model/trace';
import { TreeRows } from '../src/model/tree_rows';
import { applyHash, hashOf } from '../src/state/hash';
import { Report } from '../src/state/report';
import { samplePage } from './encode';

async function sampleReport(leaves = 3): Promise<Report> {
  const page = samplePage(leaves);
  const report = new Report(await loadTrace(page, page.directory(leaves + 3, [1, 2])));
  await report.start('');
  return report;
}

const names = (report: Report) =>
  report.rows.rows.map((row) => '  '.repeat(row.depth) + (row.kind === 'path' || row.kind === 'call' ? report.trace.functions.name[report.trace.paths.function[row.path]] : row.kind));

test('the merged tree opens along the slowest path', async () => {
  const report = await sampleReport();
  assert.deepEqual(names(report), ['main', '  mid', '    leaf', '  leaf']);
  assert.equal(report.trace.paths.calls[3], 3);
});

test('a hidden category gives its children to the nearest shown caller', async () => {
  const report = await sampleReport();
  await report.toggleCategory(2);
  assert.deepEqual(names(report), ['main', '  leaf', '  leaf']);
  assert.match(report.hiddenWords.value, /stdlib/);
  await report.setMode('calls');
  assert.deepEqual(names(report), ['main', '  leaf', '  leaf', '  leaf', '  leaf']);
});

test('every call has its start and end, a page at a time', async () => {
  const report = await sampleReport(1200);
  await report.setMode('calls');
  const mid = report.rows.rows.findIndex((row) => row.path === 2);
  await report.rows.expand(report.rows.rows[mid]);
  assert.equal(report.rows.rows[mid + 501].kind, 'more');
  await report.openMore(report.rows.rows[mid + 501]);
  assert.equal(report.rows.rows[mid + 1001].kind, 'more');
  assert.equal(report.rows.rows[mid + 2].call?.startNs, 20);
  assert.ok(await report.revealCall(1150));
  assert.equal(report.selected.value?.call?.call, 1150);
});

test('search goes through matches in tree order and wraps', async () => {
  const report = await sampleReport();
  report.query.value = 'LEAF';
  const found: number[] = [];
  for (let i = 0; i < 3; i++) {
    await report.nextMatch(1);
    found.push(report.selected.value!.path);
  }
  assert.deepEqual(found, [3, 4, 3]);
  await report.nextMatch(-1);
  assert.equal(report.selected.value!.path, 4);
});

test('the calls of a path', async () => {
  const report = await sampleReport();
  const { call, durationNs } = await report.calls.ofPath(3, 3, () => false);
  assert.deepEqual([...call], [2, 3, 4]);
  assert.deepEqual([...durationNs], [2, 2, 2]);
  assert.deepEqual([...slowestFirst(Float64Array.of(3, 9, 9, 1))], [1, 2, 0, 3]);
  assert.equal(slowestFirst(new Float64Array(20_000)).length, 5000);
});

test('the hash holds the view', async () => {
  const report = await sampleReport();
  report.query.value = 'a b&c';
  await report.toggleCategory(4);
  const copy = await sampleReport();
  assert.equal(applyHash(copy, `#${hashOf(report)}`), report.selected.value!.key);
  assert.equal(hashOf(copy).replace(/&sel=.*/, ''), hashOf(report).replace(/&sel=.*/, ''));
});

test('a tree 100 000 deep needs no recursion', async () => {
  const depth = 100_000;
  const paths = createPathTable(depth + 1);
  for (let p = 0; p <= depth; p++) {
    paths.parent[p] = p - 1;
    paths.function[p] = p === 0 ? -1 : p % 2;
  }
  const tree = new PathTree(paths);
  assert.equal(tree.preorder()[depth], depth);
  assert.equal(tree.chain(depth).length, depth);
  assert.deepEqual(tree.shownChildren(0, (fn) => fn === 1), [2]);
  assert.deepEqual(tree.shownChildren(0, () => true), []);
  const rows = new TreeRows(new MergedSource(tree, () => false));
  await rows.reset(new MergedSource(tree, () => false));
  assert.equal(await rows.reveal(tree.chain(2000).map((p) => `p${p}`)), 1999);
});

test('numbers as text', () => {
  assert.deepEqual([0, 12, 999, 1234, 99_950, 12_345_678, 1.5e9, 130e9].map(formatNs),
    ['0', '12 ns', '999 ns', '1.23 µs', '100 µs', '12.3 ms', '1.500 s', '2 min 10 s']);
  assert.equal(formatCount(1234567), '1,234,567');
  assert.deepEqual([formatPercent(1, 3), formatPercent(3, 3), formatPercent(250, 2)], ['33 %', '100 %', '125 ×']);
  assert.equal(clockFormat(2e9, 100).format(1_234_567_800), '1.2345678');
  assert.equal(visibleText('a\u202eb\n'), 'a‹U+202E›b‹U+000A›');
});
