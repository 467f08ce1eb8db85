// The columns of the two trees, as data: what a cell says, never how it is drawn.

import { Outcome } from '../data/contract';
import { clockFormat, formatCallNs, formatCount, formatNs, formatPercent } from '../model/format';
import type { PathKey } from '../model/path_tree';
import type { Row } from '../model/row';
import type { Trace } from '../model/trace';

export interface Column {
  name: string; // class name, fixes the width
  label: string;
  title: string;
  sort?: PathKey;
  text(row: Row): string;
  share?(row: Row): number; // 0 to 1: length of the bar behind the number
}

export function mergedColumns(trace: Trace): Column[] {
  const { paths } = trace;
  const wall = trace.directory.totals.wallNs;
  const path = (text: (p: number) => string) => (row: Row) => text(row.path);
  const several = (text: (p: number) => string) => path((p) => (paths.calls[p] > 1 ? text(p) : ''));
  return [
    { name: 'count', label: 'calls', title: 'Number of calls', sort: 'calls', text: path((p) => formatCount(paths.calls[p])) },
    {
      name: 'total', label: 'total', title: 'Time from start to end, summed over the calls', sort: 'totalNs',
      text: path((p) => formatNs(paths.totalNs[p])), share: (row) => paths.totalNs[row.path] / wall,
    },
    { name: 'percent', label: '%', title: 'Total as a share of the run; calls that overlap in time sum up to more than it (×)', text: path((p) => formatPercent(paths.totalNs[p], wall)) },
    {
      name: 'self', label: 'self', title: 'Total minus what was called', sort: 'selfNs',
      text: path((p) => formatNs(paths.selfNs[p])), share: (row) => paths.selfNs[row.path] / wall,
    },
    { name: 'min', label: 'min', title: 'Shortest call', sort: 'minNs', text: several((p) => formatNs(paths.minNs[p])) },
    { name: 'mean', label: 'mean', title: 'Total by calls', sort: 'meanNs', text: several((p) => formatNs(paths.totalNs[p] / paths.calls[p])) },
    { name: 'max', label: 'max', title: 'Longest call', sort: 'maxNs', text: several((p) => formatNs(paths.maxNs[p])) },
  ];
}

export function callColumns(trace: Trace): Column[] {
  const wall = trace.directory.totals.wallNs;
  const quantum = trace.directory.quantumNs;
  const clock = clockFormat(wall, quantum);
  const call = (text: (c: NonNullable<Row['call']>) => string) => (row: Row) => (row.call ? text(row.call) : '');
  const columns: Column[] = [
    { name: 'clock', label: `start, ${clock.unit}`, title: 'Start of the call, since the start of the run', text: call((c) => clock.format(c.startNs)) },
    {
      name: 'clock', label: `end, ${clock.unit}`, title: 'End of the call, since the start of the run',
      text: call((c) => (c.outcome === Outcome.Unfinished ? 'unfinished' : clock.format(c.endNs))),
    },
    {
      name: 'total', label: 'total', title: 'Time from start to end',
      text: (row) => (row.call ? formatCallNs(row.call.endNs - row.call.startNs, quantum) : row.kind === 'folded' ? formatNs(row.foldedNs) : ''),
      share: (row) => (row.call ? (row.call.endNs - row.call.startNs) / wall : 0),
    },
    {
      name: 'self', label: 'self', title: 'Total minus what was called',
      text: call((c) => formatCallNs(c.selfNs, quantum)), share: (row) => (row.call ? row.call.selfNs / wall : 0),
    },
  ];
  if (trace.directory.lanes.length > 1) {
    columns.push({ name: 'lane', label: 'thread', title: 'Thread on which the call started', text: call((c) => trace.directory.lanes[c.lane] ?? '') });
  }
  return columns;
}
