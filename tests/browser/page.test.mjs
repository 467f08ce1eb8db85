import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { axeViolations, launch, openPage, selectedRow, shownRows } from './browser.mjs';
import { makePages, realReports } from './pages.mjs';

let browser, made;
before(async () => {
  made = makePages();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  made?.dispose();
});

/** Opens a made page, runs the test on it, and checks that nothing complained. */
async function on(name, options, body) {
  const opened = await openPage(browser, made.pages[name] ?? name, options);
  try {
    await body(opened.page);
    assert.deepEqual(opened.complaints, []);
  } finally {
    await opened.close();
  }
}

const press = async (page, ...keys) => { for (const key of keys) await page.keyboard.press(key); };
const settle = (page) => page.waitForTimeout(100);
const status = (page) => page.textContent('.status [role=status]');

test('the page says what run it is and its totals', () => on('small', {}, async (page) => {
  const facts = await page.textContent('.facts');
  assert.match(await page.textContent('.header'), /app\.py --fast.*2026-11-23 14:02 UTC.*Python 3\.14\.2/s);
  assert.match(facts, /\d+ calls|calls \d+/);
  assert.match(facts, /slowest function by self/);
  assert.match(facts, /time step of single calls\s*1 ns/);
  assert.match(await page.title(), /app\.py/);
}));

test('the slowest path is red, and has a second sign', () => on('small', {}, async (page) => {
  assert.match(await page.textContent('.slowest-path'), /◆.*Slowest path.*main/s);
  const rows = (await shownRows(page)).filter((row) => row.slowest);
  assert.equal(rows[0].name, 'main');
  const look = await page.evaluate(() => {
    const row = document.querySelector('.tree-body .row.slowest');
    const style = getComputedStyle(row.querySelector('.fn'));
    const [r, g, b] = style.color.match(/\d+/g).map(Number);
    return { red: r > 1.5 * g && r > 1.5 * b, weight: Number(style.fontWeight), mark: row.querySelector('.mark').textContent };
  });
  assert.deepEqual(look, { red: true, weight: 700, mark: '◆' });
  const others = await page.evaluate(() => [...document.querySelectorAll('.tree-body .row:not(.slowest) .fn')]
    .every((name) => { const [r, g] = getComputedStyle(name).color.match(/\d+/g).map(Number); return r <= 1.5 * g; }));
  assert.ok(others, 'no other row is red');
  await page.click('.slowest-path li:last-child button');
  assert.ok((await selectedRow(page)).slowest);
}));

test('the keyboard moves, opens and closes', () => on('small', {}, async (page) => {
  await press(page, 'Home');
  assert.equal((await selectedRow(page)).name, 'main');
  await press(page, 'ArrowLeft');
  await settle(page);
  assert.equal((await selectedRow(page)).expanded, 'false');
  const closed = (await shownRows(page)).length;
  await press(page, 'ArrowRight');
  await settle(page);
  assert.equal((await selectedRow(page)).expanded, 'true');
  assert.ok((await shownRows(page)).length > closed);
  await press(page, 'ArrowRight');
  await settle(page);
  assert.equal((await selectedRow(page)).level, 2);
  await press(page, 'ArrowLeft', 'ArrowLeft');
  await settle(page);
  assert.equal((await selectedRow(page)).name, 'main');
  await press(page, 'End');
  await settle(page);
  assert.equal((await selectedRow(page)).index, Math.max(...(await shownRows(page)).map((row) => row.index)));
  await press(page, 'C');
  await settle(page);
  assert.ok((await shownRows(page)).every((row) => row.level === 1));
  await press(page, 'h');
  await settle(page);
  assert.ok((await selectedRow(page)).slowest);
  await press(page, '?');
  assert.ok(await page.isVisible('dialog.help'));
  await press(page, 'Escape');
  assert.ok(!(await page.isVisible('dialog.help')));
}));

test('the selection is announced', () => on('small', {}, async (page) => {
  await press(page, 'Home');
  assert.match(await status(page), /main: 1 call, total .*slowest path/);
  assert.equal(await page.getAttribute('[role=treegrid]', 'aria-activedescendant'),
    await page.evaluate(() => document.querySelector('.row.selected').id));
}));

test('every call has its start and its end', () => on('small', {}, async (page) => {
  await page.click('text=Every call');
  await settle(page);
  const heads = await page.locator('[role=columnheader]').allTextContents();
  assert.deepEqual(heads.slice(0, 5), ['function', 'start, µs', 'end, µs', 'total', 'self']);
  const [main, ...inside] = await shownRows(page);
  assert.equal(main.cells[0], '0.000');
  for (const row of inside.filter((r) => r.level === 2)) {
    assert.ok(Number(row.cells[0]) >= Number(main.cells[0]) && Number(row.cells[1]) <= Number(main.cells[1]), row.name);
  }
}));

test('the detail pane lists the calls of a path, slowest first or in time order', () => on('small', {}, async (page) => {
  await page.click('.tree-body .row:has-text("list.append") .fn');
  await page.waitForSelector('.call-list tbody tr');
  const totals = await page.locator('.call-list tbody tr td:first-child').allTextContents();
  const ns = totals.map((text) => parseFloat(text));
  assert.deepEqual(ns, [...ns].sort((a, b) => b - a));
  await page.click('text=In time order');
  const starts = (await page.locator('.call-list tbody tr td:nth-child(2)').allTextContents()).map(Number);
  assert.deepEqual(starts, [...starts].sort((a, b) => a - b));
  await page.click('.call-list tbody tr:nth-child(3) button');
  await page.waitForFunction(() => document.querySelector('[aria-checked=true]').textContent === 'Every call');
  await settle(page);
  assert.equal((await selectedRow(page)).name, 'list.append');
}));

test('a generator is one call with running and suspended time', () => on('small', {}, async (page) => {
  await page.click('.tree-body .row:has-text("stream_rows") .fn');
  const detail = await page.textContent('.detail');
  assert.match(detail, /calls1/);
  assert.match(detail, /suspended200 µs/);
}));

test('annotations: the header and the details say them', () => on('annotated', {}, async (page) => {
  const header = await page.textContent('.facts');
  assert.match(header, /task 1/);
  assert.match(header, /mark 1/);
  assert.match(header, /waiting 900 µs/);
  assert.match(header, /left out 40 calls, 200 µs/);
  assert.match(header, /recorder cost under 1 %/);
  await page.click('.tree-body .row:has-text("GET /items") .fn');
  const detail = await page.textContent('.detail');
  assert.match(detail, /user, span/);
  assert.match(detail, /on CPU400 µs/);
  assert.match(detail, /waiting900 µs/);
  assert.match(detail, /left out40 calls, 200 µs/);
  await page.click('text=Every call');
  await settle(page);
  await page.click('.tree-body .row:has-text("handle") .fn');
  await page.waitForSelector('.arguments');
  assert.equal(await page.textContent('.arguments'), "self=<App>, path='/items</script><b>'");
}));

test('categories are hidden, and the page says what that means', () => on('small', {}, async (page) => {
  await page.click('.chip.builtin');
  await settle(page);
  assert.ok(!(await shownRows(page)).some((row) => row.name === 'len'));
  assert.match(await page.textContent('.notes'), /Hidden: builtin: \d+ calls/);
  await page.click('.chip.user');
  await settle(page);
  assert.ok((await shownRows(page)).some((row) => row.level === 1 && row.name === 'loads'));
}));

test('search finds, n goes on, and the view is in the address', () => on('small', {}, async (page) => {
  await press(page, '/');
  await page.keyboard.type('loads');
  await press(page, 'Enter');
  await settle(page);
  const first = await selectedRow(page);
  assert.equal(first.name, 'loads');
  await press(page, 'Escape', 'n');
  await settle(page);
  assert.notEqual((await selectedRow(page)).index, first.index);
  assert.match(await status(page), /Match 2 of 2/);
  await page.waitForTimeout(300);
  assert.match(page.url(), /#.*q=loads/);
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  await settle(page);
  assert.equal(await page.inputValue('input[type=search]'), 'loads');
  assert.equal((await selectedRow(page)).name, 'loads');
}));

test('a column sorts the tree, and what was open stays open', () => on('small', {}, async (page) => {
  const before = (await shownRows(page)).length;
  await page.click('.sort:has-text("calls")');
  await settle(page);
  const rows = await shownRows(page);
  assert.equal(rows.length, before);
  assert.equal(await page.getAttribute('.tree-head .count', 'aria-sort'), 'descending');
  const inParse = rows.filter((row) => row.level === 5).map((row) => row.name);
  assert.equal(inParse.indexOf('loads') > inParse.indexOf('len'), true);
}));

test('an address shows the same call again', async () => {
  let hash = '';
  await on('small', { hash: 'mode=calls' }, async (page) => {
    await page.waitForFunction(() => document.querySelectorAll('.tree-body .row').length > 10);
    await press(page, '/');
    await page.keyboard.type('HTTPAdapter');
    await press(page, 'Enter');
    await page.waitForFunction(() => document.querySelector('.row.selected .fn')?.textContent === 'HTTPAdapter.send');
    await page.waitForTimeout(400);
    hash = new URL(page.url()).hash.slice(1);
  });
  assert.match(hash, /sel=c\d+/);
  await on('small', { hash }, (page) => page.waitForFunction(() => document.querySelector('.row.selected .fn')?.textContent === 'HTTPAdapter.send'));
});

test('light and dark', async () => {
  const lightness = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)[0]);
  await on('small', { dark: true }, async (page) => {
    assert.ok((await lightness(page)) < 60);
    await press(page, 'D');
    assert.ok((await lightness(page)) > 200);
  });
  await on('small', {}, async (page) => assert.ok((await lightness(page)) > 200));
});

test('hostile names are harmless and shown as what they are', () => on('hostile', {}, async (page) => {
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  const names = (await shownRows(page)).map((row) => row.name);
  assert.ok(names.includes('</script><script>window.pwned=1</script>'));
  assert.ok(names.includes('<img src=x onerror=window.pwned=1>'));
  assert.ok(names.includes('a‹U+202E›evil‹U+2028›‹U+2029›'));
  assert.ok(names.includes('__proto__'));
  for (let i = 0; i < names.length; i++) await press(page, 'ArrowDown');
  await settle(page);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
}));

test('without script there is a summary, and hostile names stay text', async () => {
  await on('small', { javaScript: false }, async (page) => {
    const summary = await page.locator('body').innerText();
    assert.match(summary, /Slowest path: main/);
    assert.match(summary, /Job\.run/);
    assert.match(summary, /scanner\.__call__/);
  });
  await on('hostile', { javaScript: false }, async (page) => {
    assert.match(await page.locator('body').innerText(), /<img src=x onerror=window\.pwned=1>/);
    assert.equal(await page.locator('img').count(), 0);
  });
});

test('a cut page says so, wherever it is cut', async () => {
  const whole = readFileSync(made.pages.large);
  const text = whole.toString('latin1');
  const places = { end: whole.length - 30, calls: Math.floor(whole.length * 0.7), overview: text.indexOf('id="cp-block-') + 60 };
  for (const [name, length] of Object.entries(places)) {
    const file = path.join(made.folder, `cut-at-${name}.html`);
    writeFileSync(file, whole.subarray(0, length));
    const { page, close } = await openPage(browser, file).catch((error) => ({ error }));
    if (name !== 'overview') {
      await page.waitForFunction(() => /this file is cut/i.test(document.body.innerText));
      assert.equal((await shownRows(page))[0].name, 'main', 'the overview is still shown');
    }
    await close?.();
  }
});

test('an incomplete trace says so', () => on('cut', {}, async (page) => {
  assert.match(await page.textContent('.banner'), /the trace has no end/);
}));

test('what is left out is said exactly', () => on('folded', {}, async (page) => {
  const banner = await page.textContent('.banner');
  const [, left, all, listed] = banner.match(/([\d,]+) of ([\d,]+) calls are left out.*other ([\d,]+)/s).map((n) => Number(n.replace(/,/g, '')));
  assert.equal(left + listed, all);
  assert.match(await page.textContent('.facts'), new RegExp(all.toLocaleString('en-US')));
  await page.click('text=Every call');
  await page.waitForFunction(() => document.querySelectorAll('.tree-body .row').length > 5);
  await press(page, 'Home', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight');
  await settle(page);
}));

test('a tree 10 000 deep opens to its end', () => on('deep', {}, async (page) => {
  await press(page, 'h');
  await page.waitForFunction(() => Number(document.querySelector('.row.selected')?.getAttribute('aria-level')) > 9000);
  const box = await page.locator('.row.selected .fn').boundingBox();
  assert.ok(box.x < 600 && box.width > 40, 'the name is in sight');
}));

test('1 M calls: opens at once and scrolls', () => on('large', {}, async (page) => {
  assert.match(await page.textContent('.facts'), /1,000,0\d\d/);
  await page.click('text=Every call');
  await page.waitForFunction(() => document.querySelectorAll('.tree-body .row').length > 20);
  for (let i = 0; i < 20; i++) {
    await page.mouse.move(400, 500);
    await page.mouse.wheel(0, 3000);
  }
  await settle(page);
  const rows = await shownRows(page);
  assert.ok(rows[0].index > 100 && rows.length < 100, 'only the rows in sight exist');
  await press(page, '/');
  await page.keyboard.type('HTTPAdapter');
  await press(page, 'Enter');
  await page.waitForFunction(() => document.querySelector('.row.selected .fn')?.textContent === 'HTTPAdapter.send');
}));

for (const dark of [false, true]) {
  test(`axe finds nothing, ${dark ? 'dark' : 'light'}`, () => on('small', { dark }, async (page) => {
    await page.waitForSelector('.call-list tbody tr');
    assert.deepEqual(await axeViolations(page), []);
    await page.click('text=Every call');
    await page.click('.chip.builtin');
    await settle(page);
    assert.deepEqual(await axeViolations(page), []);
    await press(page, '?');
    assert.deepEqual(await axeViolations(page), []);
  }));
}

test('reports of real traces open without a complaint', async (t) => {
  for (const file of realReports()) {
    await t.test(path.basename(file), () => on(file, {}, async (page) => {
      assert.ok((await shownRows(page)).length > 0);
      await page.click('text=Every call');
      await page.waitForFunction(() => document.querySelectorAll('.tree-body .row').length > 0);
    }));
  }
});
