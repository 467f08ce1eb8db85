// Connects the virtual tree with the report; beside it the facts of the selected row.

import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { formatCount, visibleText } from '../model/format';
import type { Row } from '../model/row';
import { categoryKey, functionBadge, functionLocation, functionName } from '../model/trace';
import { callColumns, mergedColumns } from '../render/columns';
import type { RowLook } from '../render/row_view';
import { VirtualTree } from '../render/virtual_tree';
import type { Report } from '../state/report';
import type { ViewProps } from './app';
import { Detail } from './detail';
import { Toolbar } from './toolbar';

export function TreeView({ report, page }: ViewProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const tree = mountTree(host.current!, report);
    page.tree = tree;
    host.current!.focus({ preventScroll: true });
    return followReport(tree, report);
  }, []);
  return (
    <div class="tree-view">
      <div class="tree-column">
        <Toolbar report={report} />
        {report.trace.directory.totals.calls === 0 && <p class="empty">No call is in this trace.</p>}
        <div class="tree" role="treegrid" aria-label="Calls" tabIndex={0} ref={host} />
      </div>
      <Detail report={report} />
    </div>
  );
}

function mountTree(host: HTMLElement, report: Report): VirtualTree {
  return new VirtualTree(host, {
    look: (row) => lookOf(report, row),
    select: (index) => report.select(report.rows.rows[index] ?? null),
    toggle: (index) => void report.toggle(report.rows.rows[index]),
    sort: (column) => void (column.sort && report.sortBy(column.sort)),
  });
}

function followReport(tree: VirtualTree, report: Report): () => void {
  const stops = [
    effect(() => {
      const merged = report.mode.value === 'merged';
      tree.setColumns(merged ? mergedColumns(report.trace) : callColumns(report.trace), merged ? 'merged' : 'calls', report.sort.value);
    }),
    effect(() => {
      report.rowsVersion.value;
      report.matches.value;
      tree.setRows(report.rows.rows, report.selected.value);
    }),
    effect(() => {
      const to = report.scrollTo.value;
      if (to) tree.scrollToIndex(to.index);
    }),
  ];
  return () => stops.forEach((stop) => stop());
}

function lookOf(report: Report, row: Row): RowLook {
  const { trace } = report;
  if (row.kind === 'more') return plain('More calls …');
  if (row.kind === 'folded') return plain(`× ${formatCount(row.foldedCalls)} shorter calls, not embedded`);
  const fn = trace.paths.function[row.path];
  if (fn < 0) return plain('others: paths that are summed up');
  const raised = row.call ? (row.call.outcome === 1 ? 1 : 0) : trace.paths.raised[row.path];
  return {
    name: visibleText(trace.functions.name[fn] ? functionName(trace, fn) : '(no name)'),
    badge: visibleText(functionBadge(trace, fn)),
    location: visibleText(functionLocation(trace, fn, true)),
    fullLocation: visibleText(functionLocation(trace, fn, false)),
    category: categoryKey(trace, fn),
    slowest: report.isSlowest(row),
    raised: raised === 0 ? '' : row.call ? 'raised' : `${formatCount(raised)} raised`,
    match: report.matches.value?.[fn] === 1,
  };
}

function plain(name: string): RowLook {
  return { name, badge: '', location: '', fullLocation: '', category: 'none', slowest: false, raised: '', match: false };
}
