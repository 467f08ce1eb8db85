// The tree as plain DOM: only the rows in sight exist, and they are recycled. 60 frames a second at any number of rows.

import type { Row } from '../model/row';
import { fillRow, createRow, type RowLook } from './row_view';
import type { Column } from './columns';

export const ROW_PX = 22;
const MAX_PX = 30_000_000; // browsers stop at 33.5 M px; past this, the scroll position is scaled
const OVERSCAN = 6;
const DEEP = 16; // levels; past these, what all rows in sight have in common is left out on the left

export interface TreeCallbacks {
  look(row: Row): RowLook;
  select(index: number): void;
  toggle(index: number): void;
  sort(column: Column): void;
}

export class VirtualTree {
  private readonly head = element('div', 'tree-head');
  private readonly body = element('div', 'tree-body');
  private readonly pool: HTMLElement[] = [];
  private rows: Row[] = [];
  private columns: Column[] = [];
  private selected: Row | null = null;
  private frame = 0;

  constructor(readonly host: HTMLElement, private readonly callbacks: TreeCallbacks) {
    host.append(this.head, this.body);
    this.head.setAttribute('role', 'rowgroup');
    this.body.setAttribute('role', 'rowgroup');
    host.addEventListener('scroll', () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.schedule()).observe(host);
    this.body.addEventListener('click', (event) => this.clicked(event));
    this.body.addEventListener('dblclick', (event) => this.clicked(event, true));
  }

  get rowsPerPage(): number {
    return Math.max(1, Math.floor((this.host.clientHeight - this.head.offsetHeight) / ROW_PX) - 1);
  }

  setColumns(columns: Column[], layout: string, sortedBy: string | null): void {
    this.columns = columns;
    this.host.dataset.layout = layout;
    for (const row of this.pool) row.remove();
    this.pool.length = 0;
    const row = element('div', 'row');
    row.setAttribute('role', 'row');
    row.append(headCell('name', 'function', 'Function, where it comes from, and where it is defined'), ...columns.map((column) => this.sortableHead(column, sortedBy)));
    this.head.replaceChildren(row);
    this.schedule();
  }

  setRows(rows: Row[], selected: Row | null): void {
    this.rows = rows;
    this.selected = selected;
    this.host.setAttribute('aria-rowcount', String(rows.length + 1));
    this.body.style.height = `${Math.min(rows.length * ROW_PX, MAX_PX)}px`;
    this.schedule();
  }

  scrollToIndex(index: number): void {
    const view = this.viewPx();
    const top = this.virtualTop();
    const y = index * ROW_PX;
    if (y < top) this.setVirtualTop(y);
    else if (y + ROW_PX > top + view) this.setVirtualTop(y + ROW_PX - view);
    this.draw();
  }

  private viewPx(): number {
    return Math.max(ROW_PX, this.host.clientHeight - this.head.offsetHeight);
  }

  /** Scroll position as if the list had its full height. */
  private virtualTop(): number {
    return this.host.scrollTop * this.scale();
  }

  private setVirtualTop(top: number): void {
    this.host.scrollTop = top / this.scale();
  }

  private scale(): number {
    const full = this.rows.length * ROW_PX;
    if (full <= MAX_PX) return 1;
    return (full - this.viewPx()) / (MAX_PX - this.viewPx());
  }

  private schedule(): void {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const top = this.virtualTop();
    const offset = this.host.scrollTop - top; // 0 unless scaled
    const first = Math.max(0, Math.floor(top / ROW_PX) - OVERSCAN);
    const last = Math.min(this.rows.length, Math.ceil((top + this.viewPx()) / ROW_PX) + OVERSCAN);
    this.resizePool(last - first);
    const base = this.commonDepth(first, last);
    let active = '';
    // Row i always lives in the same element while it is in sight: scrolling rewrites only rows that come in.
    for (let i = first; i < last; i++) {
      const view = this.pool[i % this.pool.length];
      const isSelected = this.rows[i] === this.selected;
      fillRow(view, this.rows[i], i, isSelected, base, this.columns, this.callbacks.look(this.rows[i]));
      view.style.transform = `translateY(${i * ROW_PX + offset}px)`;
      if (isSelected) active = view.id;
    }
    if (active) this.host.setAttribute('aria-activedescendant', active);
    else this.host.removeAttribute('aria-activedescendant');
  }

  private commonDepth(first: number, last: number): number {
    let least = Infinity;
    for (let i = first; i < last; i++) least = Math.min(least, this.rows[i].depth);
    return least > DEEP && least < Infinity ? Math.floor((least - 4) / 8) * 8 : 0; // in steps, so that scrolling is calm
  }

  private resizePool(count: number): void {
    while (this.pool.length < count) {
      const view = createRow(this.columns, `row-${this.pool.length}`);
      this.pool.push(view);
      this.body.append(view);
    }
    while (this.pool.length > count) this.pool.pop()!.remove();
  }

  private clicked(event: MouseEvent, twice = false): void {
    const target = event.target as HTMLElement;
    const view = target.closest<HTMLElement>('.row');
    if (!view) return;
    const index = Number(view.dataset.index);
    const onTwist = target.classList.contains('twist');
    if (!twice) this.callbacks.select(index);
    if (twice ? !onTwist : onTwist || this.rows[index]?.kind === 'more') this.callbacks.toggle(index);
  }

  private sortableHead(column: Column, sortedBy: string | null): HTMLElement {
    const cell = headCell(column.name, column.sort ? '' : column.label, column.title);
    if (!column.sort) return cell;
    const button = element('button', 'sort') as HTMLButtonElement;
    button.type = 'button';
    button.textContent = column.label;
    button.addEventListener('click', () => this.callbacks.sort(column));
    cell.setAttribute('aria-sort', column.sort === sortedBy ? 'descending' : 'none');
    cell.append(button);
    return cell;
  }
}

export function element(tag: string, className: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}

function headCell(name: string, label: string, title: string): HTMLElement {
  const cell = element('div', `cell ${name}`);
  cell.setAttribute('role', 'columnheader');
  cell.title = title;
  cell.textContent = label;
  return cell;
}
