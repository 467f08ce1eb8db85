// Compiles the tests with esbuild and runs them with node:test.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const outdir = mkdtempSync(path.join(tmpdir(), 'viewer-tests-'));
const tests = readdirSync(path.join(here, 'test')).filter((name) => name.endsWith('.test.ts'));
try {
  await build({
    absWorkingDir: here, entryPoints: tests.map((name) => `test/${name}`), outdir, bundle: true, platform: 'node', format: 'esm',
    outExtension: { '.js': '.mjs' }, logLevel: 'warning',
  });
  const files = tests.map((name) => path.join(outdir, name.replace(/\.ts$/, '.mjs')));
  process.exitCode = spawnSync(process.execPath, ['--test', ...files], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(outdir, { recursive: true, force: true });
}
