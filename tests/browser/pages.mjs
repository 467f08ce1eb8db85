// The pages under test: made from synthetic traces by make_traces and cp2html, and the reports of real traces in $REPORTS.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** A program from the environment, or the newest one below build/. */
function findProgram(variable, places) {
  if (process.env[variable]) return process.env[variable];
  const builds = existsSync(path.join(root, 'build')) ? readdirSync(path.join(root, 'build')) : [];
  const found = builds.flatMap((build) => places.map((place) => path.join(root, 'build', build, place))).filter((file) => existsSync(file));
  found.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (found.length === 0) throw new Error(`${variable} is not set and no ${places[0]} below build/: build with CALLPROFILER_TESTS=ON first`);
  return found[0];
}

/** name -> page. Removed again by `dispose`. */
export function makePages() {
  const folder = mkdtempSync(path.join(tmpdir(), 'callprofiler-pages-'));
  const makeTraces = findProgram('MAKE_TRACES', ['tests/browser/make_traces']);
  const cp2html = findProgram('CP2HTML', ['converter/cp2html']);
  execFileSync(makeTraces, [folder]);
  const pages = {};
  const convert = (name, trace, options = []) => {
    pages[name] = path.join(folder, `${name}.html`);
    try {
      execFileSync(cp2html, [...options, path.join(folder, `${trace}.cptrace`), '-o', pages[name]], { stdio: 'pipe' });
    } catch (error) {
      if (error.status !== 4) throw error; // 4: written, but the trace was cut
    }
  };
  for (const trace of ['small', 'cut', 'hostile', 'deep', 'annotated', 'large']) convert(trace, trace);
  convert('folded', 'large', ['--max-size', '1M']);
  return { folder, pages, dispose: () => rmSync(folder, { recursive: true, force: true }) };
}

export function realReports() {
  const folder = process.env.REPORTS;
  return folder && existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.html')).map((name) => path.join(folder, name)) : [];
}
