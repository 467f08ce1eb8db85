// What the page shows, as signals, and every action on it. Views read, actions write; nothing here touches the DOM.

import { batch, computed, signal } from '@preact/signals';
import { Category } from '../data/contract';
import { CallStore, type Call } from '../model/call_store';
import { formatCallNs, formatCount, formatNs } from '../model/format';
import { PathTree, type PathKey } from '../model/path_tree';
import type { Row } from '../model/row';
import { EveryCallSource, MergedSource, type RowSource } from '../model/row_source';
import { searchFunctions } from '../model/search';
import { CATEGORIES, categoryOf, functionName, type Trace } from '../model/trace';
import { TreeRows } from '../model/tree_rows';

export type Mode = 'merged' | 'calls';
export type Theme = 'auto' | 'light' | 'dark';

const OPENED_AT_FIRST = 24; // levels of the slowest path
const ROWS_AT_FIRST = 40;

export class Report {
  readonly tree: PathTree;
  readonly calls: CallStore;
  readonly rows: TreeRows;
  readonly slowestPath: number[];
  readonly onSlowestPath: Set<number>;

  readonly mode = signal<Mode>('merged');
  readonly hidden = signal<ReadonlySet<Category>>(new Set());
  readonly sort = signal<PathKey>('totalNs');
  readonly theme = signal<Theme>('auto');
  readonly query = signal('');
  readonly matches = computed(() => searchFunctions(this.trace, this.query.value));
  readonly matchingPaths = computed(() => this.pathsOf(this.matches.value));
  readonly selected = signal<Row | null>(null);
  readonly rowsVersion = signal(0);
  readonly scrollTo = signal<{ index: number } | null>(null);
  readonly status = signal('');
  readonly problems = signal<string[]>([]);
  readonly help = signal(false);
  readonly busy = signal(false);

  constructor(readonly trace: Trace) {
    this.tree = new PathTree(trace.paths);
    this.calls = new CallStore(trace, (path) => this.tree.childCount(path) > 0);
    this.slowestPath = trace.directory.slowestPath;
    this.onSlowestPath = new Set(this.slowestPath);
    this.rows = new TreeRows(this.source());
    this.rows.onChange = () => this.rowsVersion.value++;
  }

  /** The first rows: the slowest path open, as far as it is short. */
  async start(selectedKey: string): Promise<void> {
    await this.rows.reset(this.source());
    await this.openFirst();
    if (!selectedKey || !(await this.revealKey(selectedKey))) this.selectIndex(0);
  }

  select(row: Row | null): void {
    this.selected.value = row;
    if (row) this.status.value = this.describe(row);
  }

  selectIndex(index: number): void {
    const rows = this.rows.rows;
    if (rows.length === 0) return this.select(null);
    const at = Math.max(0, Math.min(rows.length - 1, index));
    batch(() => {
      this.select(rows[at]);
      this.scrollTo.value = { index: at };
    });
  }

  get selectedIndex(): number {
    const row = this.selected.value;
    return row ? this.rows.rows.indexOf(row) : -1;
  }

  async toggle(row: Row): Promise<void> {
    if (row.kind === 'more') return this.openMore(row);
    if (!row.expandable) return;
    if (row.expanded) this.rows.collapse(row);
    else await this.guard(() => this.rows.expand(row));
  }

  async openMore(row: Row): Promise<void> {
    const index = this.rows.rows.indexOf(row);
    await this.guard(() => this.rows.more(row));
    this.selectIndex(index);
  }

  async setMode(mode: Mode): Promise<void> {
    if (mode === this.mode.value) return;
    const before = this.selected.value;
    this.mode.value = mode;
    await this.guard(async () => {
      await this.rows.reset(this.source());
      await this.openFirst();
    });
    if (mode === 'merged' && before?.call) await this.revealPath(before.path);
    else this.selectIndex(0);
  }

  async toggleCategory(category: Category): Promise<void> {
    const hidden = new Set(this.hidden.value);
    if (!hidden.delete(category)) hidden.add(category);
    this.hidden.value = hidden;
    await this.rebuild();
  }

  async sortBy(key: PathKey): Promise<void> {
    this.sort.value = key;
    this.tree.sortBy(key);
    await this.rebuild();
  }

  async revealPath(path: number): Promise<boolean> {
    if (this.mode.value === 'calls') await this.setMode('merged');
    return this.revealChain(this.tree.chain(path).map((p) => `p${p}`));
  }

  async revealCall(call: number): Promise<boolean> {
    await this.setMode('calls');
    return (await this.guard(async () => {
      const chain: string[] = [];
      for (let c = call; c >= 0; ) {
        const facts: Call = await this.calls.call(c);
        chain.push(`c${c}`);
        c = facts.parent;
      }
      return this.revealChain(chain.reverse());
    })) ?? false;
  }

  followSlowestPath(): Promise<boolean> {
    return this.revealPath(this.slowestPath[this.slowestPath.length - 1] ?? 0);
  }

  async nextMatch(step: 1 | -1): Promise<void> {
    const paths = this.matchingPaths.value;
    if (paths.length === 0) {
      this.status.value = this.query.value ? `No function matches “${this.query.value}”` : 'Type a search with /';
      return;
    }
    if (this.mode.value === 'calls') return this.nextMatchingCall(step, new Set(paths));
    const order = this.tree.preorder();
    const here = this.selected.value ? order[this.selected.value.path] : 0;
    const ahead = paths.findIndex((p) => order[p] > here);
    const atOrAhead = paths.findIndex((p) => order[p] >= here);
    const at = step > 0 ? (ahead < 0 ? 0 : ahead) : ((atOrAhead < 0 ? paths.length : atOrAhead) - 1 + paths.length) % paths.length;
    const shown = await this.revealPath(paths[at]);
    this.status.value = `Match ${formatCount(at + 1)} of ${formatCount(paths.length)}${shown ? '' : ' is hidden by a filter'}`;
  }

  collapseAll(): void {
    for (const row of this.rows.rows.filter((r) => r.depth === 0 && r.expanded)) this.rows.collapse(row);
    this.selectIndex(0);
  }

  isHidden = (fn: number): boolean => this.hidden.value.size > 0 && this.hidden.value.has(categoryOf(this.trace, fn));

  /** A path on the slowest path; of single calls, only the longest of such a path. */
  isSlowest(row: Row): boolean {
    if (!this.onSlowestPath.has(row.path)) return false;
    return !row.call || Math.abs(row.call.endNs - row.call.startNs - this.trace.paths.maxNs[row.path]) < this.trace.directory.quantumNs;
  }

  fail(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (!this.problems.value.includes(text)) this.problems.value = [...this.problems.value, text];
  }

  private async nextMatchingCall(step: 1 | -1, paths: Set<number>): Promise<void> {
    const from = this.selected.value?.call?.call ?? -1;
    const shown = (path: number) => paths.has(path) && !this.isHidden(this.trace.paths.function[path]);
    const found = await this.guard(() => this.calls.find(from, step, shown));
    if (found === undefined || found < 0) this.status.value = 'No embedded call matches';
    else await this.revealCall(found);
  }

  private async revealKey(key: string): Promise<boolean> {
    const number = Number(key.slice(1));
    if (!Number.isInteger(number) || number < 0) return false;
    if (key[0] === 'p' && number < this.trace.paths.count) return this.revealPath(number);
    return key[0] === 'c' && number < this.calls.callCount ? this.revealCall(number) : false;
  }

  private async revealChain(chain: string[]): Promise<boolean> {
    const index = await this.rows.reveal(chain);
    if (index >= 0) this.selectIndex(index);
    return index >= 0;
  }

  private async rebuild(): Promise<void> {
    const key = this.selected.value?.key ?? '';
    await this.guard(() => this.rows.reset(this.source()));
    this.selectIndex(Math.max(0, this.rows.indexOf(key)));
  }

  /** What is open at first: the slowest path, then the largest rows as long as all fits a screen; of every call, the longest root. */
  private async openFirst(): Promise<void> {
    const { paths } = this.trace;
    const total = (row: Row) => (row.call ? row.call.endNs - row.call.startNs : paths.totalNs[row.path]);
    const largestClosed = () => this.rows.rows
      .filter((row) => row.expandable && !row.expanded && row.kind !== 'more')
      .reduce<Row | null>((best, row) => (!best || total(row) > total(best) ? row : best), null);
    if (this.mode.value === 'merged') await this.rows.reveal(this.slowestPath.slice(0, OPENED_AT_FIRST).map((path) => `p${path}`));
    for (let steps = 0; steps < ROWS_AT_FIRST && this.rows.rows.length < ROWS_AT_FIRST; steps++) {
      const row = largestClosed();
      const children = row && this.mode.value === 'merged' ? this.tree.childCount(row.path) : 0;
      if (!row || this.rows.rows.length + children > ROWS_AT_FIRST) break;
      await this.rows.expand(row);
    }
  }

  private source(): RowSource {
    return this.mode.value === 'merged'
      ? new MergedSource(this.tree, this.isHidden)
      : new EveryCallSource(this.trace, this.tree, this.calls, this.isHidden);
  }

  private async guard<T>(action: () => Promise<T>): Promise<T | undefined> {
    this.busy.value = true;
    try {
      return await action();
    } catch (error) {
      this.fail(error);
      return undefined;
    } finally {
      this.busy.value = false;
    }
  }

  private pathsOf(matches: Uint8Array | null): number[] {
    if (!matches) return [];
    const { count, function: functions } = this.trace.paths;
    const paths: number[] = [];
    for (let p = 1; p < count; p++) if (functions[p] >= 0 && matches[functions[p]]) paths.push(p);
    this.sort.value; // the order of the tree follows it
    const order = this.tree.preorder();
    return paths.sort((a, b) => order[a] - order[b]);
  }

  private describe(row: Row): string {
    const { paths } = this.trace;
    const name = functionName(this.trace, paths.function[row.path]);
    if (row.kind === 'more') return 'More calls: Enter shows them';
    if (row.kind === 'folded') return `${formatCount(row.foldedCalls)} shorter calls that are not embedded`;
    const slowest = this.isSlowest(row) ? ', on the slowest path' : '';
    const quantum = this.trace.directory.quantumNs;
    if (row.call) {
      return `${name}: ${formatCallNs(row.call.endNs - row.call.startNs, quantum)}, self ${formatCallNs(row.call.selfNs, quantum)}${slowest}`;
    }
    const calls = paths.calls[row.path];
    return `${name}: ${formatCount(calls)} ${calls === 1 ? 'call' : 'calls'}, total ${formatNs(paths.totalNs[row.path])}${slowest}`;
  }

  /** What the filter hides, in words; empty when nothing is hidden. */
  readonly hiddenWords = computed(() => {
    const hidden = this.hidden.value;
    if (hidden.size === 0) return '';
    const { category, calls, selfNs } = this.trace.functions;
    let hiddenCalls = 0;
    let hiddenNs = 0;
    for (let fn = 0; fn < category.length; fn++) {
      if (!hidden.has(category[fn])) continue;
      hiddenCalls += calls[fn];
      hiddenNs += selfNs[fn];
    }
    const names = CATEGORIES.filter((c) => hidden.has(c.category)).map((c) => c.label).join(', ');
    return `Hidden: ${names}: ${formatCount(hiddenCalls)} calls with ${formatNs(hiddenNs)} of self time. ` +
      'What they called is shown below the nearest shown caller; all times stay as recorded.';
  });
}
