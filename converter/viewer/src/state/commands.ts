// One table of keys: it drives the keyboard and the help.

import type { Report } from './report';

export interface Command {
  keys: string[];
  shown: string;
  help: string;
  run(report: Report, page: PageActions): void | Promise<unknown>;
}

/** What only the page itself can do. */
export interface PageActions {
  rowsPerPage(): number;
  focusSearch(): void;
  focusTree(): void;
}

const move = (report: Report, by: number) => report.selectIndex(Math.max(0, report.selectedIndex) + by);

export const COMMANDS: Command[] = [
  { keys: ['ArrowDown', 'j'], shown: '↓ ↑', help: 'next, previous row', run: (r) => move(r, 1) },
  { keys: ['ArrowUp', 'k'], shown: '', help: '', run: (r) => move(r, -1) },
  { keys: ['ArrowRight', 'l'], shown: '→', help: 'open, or go to the first row inside', run: openOrEnter },
  { keys: ['ArrowLeft'], shown: '←', help: 'close, or go to the row above', run: closeOrLeave },
  { keys: ['Enter', ' '], shown: 'Enter', help: 'open or close', run: (r) => r.selected.value && r.toggle(r.selected.value) },
  { keys: ['Home'], shown: 'Home End', help: 'first, last row', run: (r) => r.selectIndex(0) },
  { keys: ['End'], shown: '', help: '', run: (r) => r.selectIndex(r.rows.rows.length - 1) },
  { keys: ['PageDown'], shown: 'PageDown PageUp', help: 'a page on, back', run: (r, p) => move(r, p.rowsPerPage()) },
  { keys: ['PageUp'], shown: '', help: '', run: (r, p) => move(r, -p.rowsPerPage()) },
  { keys: ['*'], shown: '*', help: 'open all rows of this level', run: (r) => r.selected.value && r.rows.expandLevel(r.selected.value) },
  { keys: ['h'], shown: 'h', help: 'follow the slowest path', run: (r) => r.followSlowestPath() },
  { keys: ['c'], shown: 'c', help: 'close the row that holds this one', run: closeHolder },
  { keys: ['C'], shown: 'C', help: 'close everything', run: (r) => r.collapseAll() },
  { keys: ['m'], shown: 'm', help: 'merged, every call', run: (r) => r.setMode(r.mode.value === 'merged' ? 'calls' : 'merged') },
  { keys: ['/'], shown: '/', help: 'search', run: (_, p) => p.focusSearch() },
  { keys: ['n'], shown: 'n N', help: 'next, previous match', run: (r) => r.nextMatch(1) },
  { keys: ['N'], shown: '', help: '', run: (r) => r.nextMatch(-1) },
  { keys: ['D'], shown: 'D', help: 'light, dark', run: toggleTheme },
  { keys: ['?'], shown: '?', help: 'this help', run: (r) => { r.help.value = !r.help.value; } },
  { keys: ['Escape'], shown: 'Esc', help: 'back to the tree', run: leave },
];

export function commandFor(key: string): Command | undefined {
  return COMMANDS.find((command) => command.keys.includes(key));
}

function openOrEnter(report: Report): void | Promise<unknown> {
  const row = report.selected.value;
  if (!row) return;
  if (row.kind === 'more' || (row.expandable && !row.expanded)) return report.toggle(row);
  const next = report.rows.rows[report.selectedIndex + 1];
  if (next && next.depth > row.depth) move(report, 1);
}

function closeOrLeave(report: Report): void {
  const row = report.selected.value;
  if (row?.expanded) report.rows.collapse(row);
  else if (row) toParent(report);
}

function closeHolder(report: Report): void {
  const row = report.selected.value;
  if (!row) return;
  if (!row.expanded) toParent(report);
  const holder = report.selected.value;
  if (holder?.expanded) report.rows.collapse(holder);
}

function toParent(report: Report): void {
  const parent = report.rows.parentIndex(report.selectedIndex);
  if (parent >= 0) report.selectIndex(parent);
}

export function toggleTheme(report: Report): void {
  const dark = report.theme.value === 'dark' || (report.theme.value === 'auto' && systemIsDark());
  report.theme.value = dark ? 'light' : 'dark';
}

function systemIsDark(): boolean {
  return typeof matchMedia === 'function' && matchMedia('(prefers-color-scheme: dark)').matches;
}

function leave(report: Report, page: PageActions): void {
  report.help.value = false;
  page.focusTree();
}
