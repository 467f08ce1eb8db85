// One Chromium for all tests. Every page is watched: errors on the console and requests beyond the file itself fail the test.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
const FLAGS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export function launch() {
  const executablePath = process.env.CHROMIUM || CANDIDATES.find((file) => existsSync(file));
  if (!executablePath) throw new Error('no Chromium found: set CHROMIUM');
  return chromium.launch({ executablePath, args: FLAGS });
}

/** Opens a page file. `complaints` gathers console errors, exceptions and requests. */
export async function openPage(browser, file, { hash = '', dark = false, javaScript = true, width = 1400, height = 860 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', javaScriptEnabled: javaScript });
  const page = await context.newPage();
  const complaints = [];
  const url = pathToFileURL(file).href;
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => { if (!/^(file|data|blob):/.test(request.url()) || (request.url().startsWith('file:') && !request.url().startsWith(url))) complaints.push(`request ${request.url()}`); });
  await page.goto(hash ? `${url}#${hash}` : url);
  if (javaScript) await page.waitForSelector('html[data-ready], .banner.problem');
  return { page, complaints, close: () => context.close() };
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Runs axe in an isolated way (the page's own policy forbids foreign scripts). */
export async function axeViolations(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setBypassCSP', { enabled: true });
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`);
}

/** The rows in sight, from top to bottom. */
export function shownRows(page) {
  return page.evaluate(() => [...document.querySelectorAll('.tree-body .row')]
    .map((row) => ({
      index: Number(row.getAttribute('aria-rowindex')), level: Number(row.getAttribute('aria-level')),
      expanded: row.getAttribute('aria-expanded'), selected: row.getAttribute('aria-selected') === 'true',
      name: row.querySelector('.fn').textContent, slowest: row.classList.contains('slowest'),
      cells: [...row.querySelectorAll('.cell .text')].map((cell) => cell.textContent),
    }))
    .sort((a, b) => a.index - b.index));
}

export async function selectedRow(page) {
  return (await shownRows(page)).find((row) => row.selected);
}
