// The open part of a tree as a flat list: what a virtual list can draw. Only what is open is in memory.

import type { Row } from './row';
import type { RowSource } from './row_source';

export class TreeRows {
  rows: Row[] = [];
  onChange: () => void = () => {};

  constructor(private source: RowSource) {}

  /** Starts anew, with what was open open again. */
  async reset(source: RowSource): Promise<void> {
    const open = new Set(this.rows.filter((row) => row.expanded).map((row) => row.key));
    this.source = source;
    this.rows = await source.children(null);
    for (let i = 0; i < this.rows.length && open.size > 0; i++) {
      if (open.delete(this.rows[i].key)) await this.expand(this.rows[i]);
    }
    this.onChange();
  }

  indexOf(key: string): number {
    return this.rows.findIndex((row) => row.key === key);
  }

  async expand(row: Row): Promise<void> {
    if (!row.expandable || row.expanded) return;
    row.expanded = true;
    const children = this.source.children(row);
    if (children instanceof Promise) this.onChange();
    const rows = children instanceof Promise ? await children : children;
    const index = this.rows.indexOf(row);
    if (index < 0 || !row.expanded) return; // closed or gone meanwhile
    this.insert(index + 1, 0, rows);
  }

  collapse(row: Row): void {
    const index = this.rows.indexOf(row);
    if (index < 0 || !row.expanded) return;
    row.expanded = false;
    this.insert(index + 1, this.subtreeEnd(index) - index - 1, []);
  }

  async more(row: Row): Promise<void> {
    const rows = await this.source.more(row);
    const index = this.rows.indexOf(row);
    if (index >= 0) this.insert(index, 1, rows);
  }

  /** Opens the row's siblings (`*`). */
  async expandLevel(row: Row): Promise<void> {
    const siblings = this.rows.filter((r) => r.parentKey === row.parentKey && r.depth === row.depth && r.expandable && !r.expanded);
    for (const sibling of siblings.slice(0, 1000)) await this.expand(sibling);
  }

  parentIndex(index: number): number {
    const depth = this.rows[index].depth;
    for (let i = index - 1; i >= 0; i--) if (this.rows[i].depth < depth) return i;
    return -1;
  }

  /** Opens what is needed to show the last key of the chain (keys from the root on; missing ones are skipped). Its index, or -1. */
  async reveal(chain: string[]): Promise<number> {
    let found = -1;
    for (const [step, key] of chain.entries()) {
      const index = await this.findBelow(found, key);
      if (index < 0) continue; // hidden by a filter: its children stand higher up
      found = index;
      if (step < chain.length - 1) await this.expand(this.rows[index]);
    }
    return found >= 0 && this.rows[found].key === chain[chain.length - 1] ? found : -1;
  }

  private async findBelow(parent: number, key: string): Promise<number> {
    for (let tries = 0; tries < 1000; tries++) {
      const end = parent < 0 ? this.rows.length : this.subtreeEnd(parent);
      let more = -1;
      const depth = parent < 0 ? 0 : this.rows[parent].depth + 1;
      for (let i = parent + 1; i < end; i++) {
        if (this.rows[i].key === key) return i;
        if (this.rows[i].kind === 'more' && this.rows[i].depth === depth) more = i;
      }
      if (more < 0 || Number(key.slice(1)) < this.rows[more].next) return -1;
      await this.more(this.rows[more]);
    }
    return -1;
  }

  private subtreeEnd(index: number): number {
    const depth = this.rows[index].depth;
    let end = index + 1;
    while (end < this.rows.length && this.rows[end].depth > depth) end++;
    return end;
  }

  private insert(at: number, remove: number, rows: Row[]): void {
    // splice with spread arguments overflows the stack past about 100 000 rows
    if (rows.length < 10_000) this.rows.splice(at, remove, ...rows);
    else this.rows = this.rows.slice(0, at).concat(rows, this.rows.slice(at + remove));
    this.onChange();
  }
}
