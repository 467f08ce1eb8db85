// Makes dist/viewer.js, dist/viewer.css and dist/viewer.js.sha256 (base64, for the page's CSP). Usage: node build.mjs [outdir]

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const outdir = path.resolve(process.argv[2] ?? path.join(here, 'dist'));

await build({
  absWorkingDir: here,
  entryPoints: { viewer: 'src/main.ts' },
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  charset: 'ascii', // the same bytes whatever the page's encoding
  legalComments: 'none',
  outdir,
});
await build({
  absWorkingDir: here,
  entryPoints: { viewer: 'src/styles/viewer.css' },
  bundle: true,
  minify: true,
  charset: 'ascii',
  outdir,
});

const script = await readFile(path.join(outdir, 'viewer.js'), 'utf8');
const inline = script.trimEnd();
// The bundle stands inside <script>: nothing in it may end or reopen that element.
if (/<\/script|<!--|<script/i.test(inline)) throw new Error('viewer.js holds text that would end its script element');
await writeFile(path.join(outdir, 'viewer.js'), inline);
await writeFile(path.join(outdir, 'viewer.js.sha256'), createHash('sha256').update(inline).digest('base64'));
const style = (await readFile(path.join(outdir, 'viewer.css'), 'utf8')).trimEnd();
if (/<\/style/i.test(style)) throw new Error('viewer.css holds text that would end its style element');
await writeFile(path.join(outdir, 'viewer.css'), style);
console.log(`viewer.js ${inline.length} bytes, viewer.css ${style.length} bytes`);
