// One line of the tree, whatever stands behind it.

import type { Call } from './call_store';

export interface Row {
  key: string; // stable over rebuilds
  kind: 'path' | 'call' | 'folded' | 'more';
  path: number; // path or call: its path; else that of the row above
  call: Call | null;
  depth: number;
  parentKey: string;
  expandable: boolean;
  expanded: boolean;
  foldedCalls: number;
  foldedNs: number;
  next: number; // more: call number to go on with
  parentCall: number; // more: whose children
}

export function pathRow(path: number, depth: number, parentKey: string, expandable: boolean): Row {
  return { ...blank, key: `p${path}`, kind: 'path', path, depth, parentKey, expandable };
}

export function callRow(call: Call, depth: number, parentKey: string, expandable: boolean): Row {
  return { ...blank, key: `c${call.call}`, kind: 'call', path: call.path, call, depth, parentKey, expandable };
}

export function foldedRow(parent: string, path: number, depth: number, calls: number, ns: number): Row {
  return { ...blank, key: `f${parent}`, kind: 'folded', path, depth, parentKey: parent, foldedCalls: calls, foldedNs: ns };
}

export function moreRow(parent: string, path: number, depth: number, parentCall: number, next: number): Row {
  return { ...blank, key: `m${parent}`, kind: 'more', path, depth, parentKey: parent, parentCall, next };
}

const blank = {
  call: null, expandable: false, expanded: false, foldedCalls: 0, foldedNs: 0, next: -1, parentCall: -1,
};
