// One row of the tree in the DOM. Texts are set as text, never as HTML.

import type { Row } from '../model/row';
import type { Column } from './columns';

/** What a row says besides its numbers. */
export interface RowLook {
  name: string;
  badge: string;
  location: string;
  fullLocation: string;
  category: string; // class
  slowest: boolean;
  raised: string;
  match: boolean;
}

const INDENT_PX = 13;
const MAX_INDENT = 24; // levels; what is deeper stands below each other, and says its depth

interface Parts {
  depth: HTMLElement;
  twist: HTMLElement;
  mark: HTMLElement;
  name: HTMLElement;
  badge: HTMLElement;
  raised: HTMLElement;
  location: HTMLElement;
  cells: HTMLElement[];
  texts: HTMLElement[];
  shown: string;
}

const partsOf = new WeakMap<HTMLElement, Parts>();

export function createRow(columns: Column[], id: string): HTMLElement {
  const row = make('div', 'row');
  row.id = id;
  row.setAttribute('role', 'row');
  const first = make('div', 'cell name');
  first.setAttribute('role', 'gridcell');
  const parts: Parts = {
    depth: make('span', 'depth'), twist: make('span', 'twist'), mark: make('span', 'mark'), name: make('span', 'fn'),
    badge: make('span', 'badge'), raised: make('span', 'raised'), location: make('span', 'location'),
    cells: [], texts: [], shown: '',
  };
  first.append(parts.depth, parts.twist, parts.mark, parts.name, parts.badge, parts.raised, parts.location);
  row.append(first);
  for (const column of columns) {
    const cell = make('div', `cell ${column.name}`);
    cell.setAttribute('role', 'gridcell');
    const text = make('span', 'text');
    cell.append(text);
    parts.cells.push(cell);
    parts.texts.push(text);
    row.append(cell);
  }
  partsOf.set(row, parts);
  return row;
}

/** In a deep tree the levels above `base` are left out on the left, and rows say their depth. */
export function fillRow(view: HTMLElement, row: Row, index: number, selected: boolean, base: number, columns: Column[], look: RowLook): void {
  const parts = partsOf.get(view)!;
  const shown = `${index} ${row.key} ${row.expanded} ${row.expandable} ${selected} ${look.match} ${base}`;
  if (parts.shown === shown) return;
  parts.shown = shown;
  view.dataset.index = String(index);
  view.className = `row ${row.kind} ${look.category}${look.slowest ? ' slowest' : ''}${selected ? ' selected' : ''}${look.match ? ' match' : ''}`;
  view.setAttribute('aria-rowindex', String(index + 2));
  view.setAttribute('aria-level', String(row.depth + 1));
  view.setAttribute('aria-selected', String(selected));
  if (row.expandable) view.setAttribute('aria-expanded', String(row.expanded));
  else view.removeAttribute('aria-expanded');
  fillName(parts, row, base, look);
  columns.forEach((column, i) => fillCell(parts, i, column, row));
}

function fillName(parts: Parts, row: Row, base: number, look: RowLook): void {
  const inner = Math.max(0, row.depth - base);
  const saysDepth = base > 0 || inner > MAX_INDENT;
  const level = Math.min(inner, MAX_INDENT) + (base > 0 ? 3 : 0);
  parts.depth.style.width = `${level * INDENT_PX}px`;
  parts.depth.textContent = saysDepth ? `${row.depth + 1} ` : '';
  parts.twist.textContent = row.expandable ? (row.expanded ? '▾' : '▸') : '';
  parts.mark.textContent = look.slowest ? '◆' : '';
  parts.mark.title = look.slowest ? 'On the slowest path' : '';
  parts.name.textContent = look.name;
  parts.name.title = look.name;
  parts.badge.textContent = look.badge;
  parts.raised.textContent = look.raised;
  parts.location.textContent = look.location;
  parts.location.title = look.fullLocation;
}

function fillCell(parts: Parts, i: number, column: Column, row: Row): void {
  const says = row.kind === 'path' || row.kind === 'call' || column.name === 'total';
  parts.texts[i].textContent = says ? column.text(row) : '';
  if (!column.share) return;
  const share = row.kind === 'path' || row.kind === 'call' ? Math.min(1, column.share(row)) : 0;
  parts.cells[i].style.setProperty('--share', share < 0.002 ? '0' : share.toFixed(4));
}

function make(tag: string, className: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
