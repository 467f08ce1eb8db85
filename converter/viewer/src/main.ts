// Starts the page. What cp2html wrote is replaced only once the overview is decoded.

import { effect } from '@preact/signals';
import { h, render } from 'preact';
import { pageBlocks, pageDirectory, pageIsWhole } from './data/blocks';
import { loadTrace } from './model/trace';
import { commandFor } from './state/commands';
import { applyHash, followHash } from './state/hash';
import { Report } from './state/report';
import { App, createPageParts, type PageParts } from './views/app';

const CUT = 'this file is cut: its end is missing, and with it single calls. Make or copy the report again.';

async function start(host: HTMLElement): Promise<void> {
  const trace = await loadTrace(pageBlocks, pageDirectory());
  const report = new Report(trace);
  const selected = applyHash(report, location.hash);
  effect(() => applyTheme(report.theme.value));
  const page = createPageParts();
  const ready = report.start(selected.startsWith('p') || report.mode.value === 'merged' ? selected : '');
  if (report.mode.value === 'merged') await ready;
  host.replaceChildren();
  render(h(App, { report, page }), host);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
  document.addEventListener('keydown', (event) => keyPressed(event, report, page));
  followHash(report, (hash) => history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search));
  await whenParsed();
  if (!pageIsWhole()) report.problems.value = [CUT, ...report.problems.value];
  await ready;
  if (selected.startsWith('c')) await report.revealCall(Number(selected.slice(1)));
}

function keyPressed(event: KeyboardEvent, report: Report, page: PageParts): void {
  if (event.ctrlKey || event.metaKey || event.altKey || report.help.value) return;
  const target = event.target as HTMLElement;
  if (target.closest('input, textarea, select')) return;
  const onButton = target.closest('button, a') !== null;
  if (onButton && (event.key === 'Enter' || event.key === ' ' || event.key.startsWith('Arrow'))) return;
  const command = commandFor(event.key);
  if (!command) return;
  event.preventDefault();
  Promise.resolve(command.run(report, page)).catch((error) => report.fail(error));
}

function applyTheme(theme: string): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function whenParsed(): Promise<void> {
  if (document.readyState !== 'loading') return Promise.resolve();
  return new Promise((resolve) => document.addEventListener('DOMContentLoaded', () => resolve(), { once: true }));
}

/** Nothing could be shown: what the page itself holds stays, with the reason above it. */
function refuse(host: HTMLElement, error: unknown): void {
  const message = document.createElement('p');
  message.className = 'banner problem';
  message.setAttribute('role', 'alert');
  const reason = error instanceof Error ? error.message : String(error);
  message.textContent = pageIsWhole() ? `This report cannot be shown: ${reason}` : `This file is cut: ${reason}`;
  host.prepend(message);
}

const host = document.getElementById('cp-app');
if (host) start(host).catch((error) => whenParsed().then(() => refuse(host, error)));
