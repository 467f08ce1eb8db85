// The view state in the URL hash: a link or a reload shows the same.

import { effect } from '@preact/signals';
import type { PathKey } from '../model/path_tree';
import { CATEGORIES } from '../model/trace';
import type { Mode, Report, Theme } from './report';

const SORT_KEYS: readonly PathKey[] = ['totalNs', 'selfNs', 'calls', 'minNs', 'meanNs', 'maxNs', 'firstStartNs'];

/** Applies a hash; gives the key of the selected row. */
export function applyHash(report: Report, hash: string): string {
  const params = new URLSearchParams(hash.replace(/^#/, ''));
  if (params.get('mode') === 'calls') report.mode.value = 'calls' satisfies Mode;
  const hidden = (params.get('hide') ?? '').split(',');
  report.hidden.value = new Set(CATEGORIES.filter((c) => hidden.includes(c.key)).map((c) => c.category));
  const sort = params.get('sort') as PathKey;
  if (SORT_KEYS.includes(sort)) {
    report.sort.value = sort;
    report.tree.sortBy(sort);
  }
  const theme = params.get('theme') as Theme;
  if (theme === 'light' || theme === 'dark') report.theme.value = theme;
  report.query.value = params.get('q') ?? '';
  return params.get('sel') ?? '';
}

export function hashOf(report: Report): string {
  const params = new URLSearchParams();
  if (report.mode.value === 'calls') params.set('mode', 'calls');
  const hidden = CATEGORIES.filter((c) => report.hidden.value.has(c.category)).map((c) => c.key);
  if (hidden.length > 0) params.set('hide', hidden.join(','));
  if (report.sort.value !== 'totalNs') params.set('sort', report.sort.value);
  if (report.theme.value !== 'auto') params.set('theme', report.theme.value);
  if (report.query.value) params.set('q', report.query.value);
  const row = report.selected.value;
  if (row && (row.kind === 'path' || row.kind === 'call')) params.set('sel', row.key);
  return params.toString();
}

/** Keeps the address in step, at most five times a second (browsers limit replaceState). */
export function followHash(report: Report, write: (hash: string) => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return effect(() => {
    const hash = hashOf(report);
    clearTimeout(timer);
    timer = setTimeout(() => write(hash), 200);
  });
}
