// A report in memory: directory, functions and the path tree. Exact calls stay in their blocks (call_store.ts).

import { readBlock, type BlockSource } from '../data/blocks';
import { CONTRACT, Category, type Directory, type FunctionTable } from '../data/contract';
import { decodePathNotes, type PathNotes } from '../data/notes';
import { createPathTable, decodePaths, type PathTable } from '../data/paths';
import { DecodeError } from '../data/varint';

export interface Trace {
  directory: Directory;
  functions: FunctionTable;
  paths: PathTable;
  pathNotes: ReadonlyMap<number, PathNotes>; // few paths have any
  source: BlockSource;
}

export async function loadTrace(source: BlockSource, directory: Directory): Promise<Trace> {
  if (directory.contract !== CONTRACT) throw new DecodeError(`contract ${directory.contract}, expected ${CONTRACT}`);
  let functions: FunctionTable | null = null;
  let pathNotes = new Map<number, PathNotes>();
  const pathBlocks = directory.blocks.map((entry, number) => ({ entry, number })).filter((b) => b.entry.kind === 'paths');
  const paths = createPathTable(pathBlocks.reduce((sum, { entry }) => sum + entry.count, 0));
  for (const [number, entry] of directory.blocks.entries()) {
    if (entry.kind === 'pathNotes') pathNotes = decodePathNotes(await readBlock(source, number, entry), entry.count);
    if (entry.kind !== 'functions') continue;
    functions = JSON.parse(new TextDecoder().decode(await readBlock(source, number, entry))) as FunctionTable;
  }
  let first = 0;
  for (const { entry, number } of pathBlocks) {
    decodePaths(await readBlock(source, number, entry), paths, first, entry.count);
    first += entry.count;
  }
  if (!functions) throw new DecodeError('the function table is missing');
  return { directory, functions, paths, pathNotes, source };
}

export const CATEGORIES = [
  { category: Category.User, label: 'user', key: 'user' },
  { category: Category.Stdlib, label: 'stdlib', key: 'stdlib' },
  { category: Category.ThirdParty, label: 'third-party', key: 'third' },
  { category: Category.Builtin, label: 'builtin', key: 'builtin' },
] as const;

export function categoryOf(trace: Trace, fn: number): Category {
  return fn < 0 ? Category.None : (trace.functions.category[fn] as Category);
}

export function categoryKey(trace: Trace, fn: number): string {
  return CATEGORIES.find((c) => c.category === categoryOf(trace, fn))?.key ?? 'none';
}

export function categoryLabel(trace: Trace, fn: number): string {
  return CATEGORIES.find((c) => c.category === categoryOf(trace, fn))?.label ?? 'unknown';
}

export function functionName(trace: Trace, fn: number): string {
  return fn < 0 ? '(run)' : trace.functions.name[fn] || '(no name)';
}

/** The library, package or C module; `user` for the program's own code. */
export function functionBadge(trace: Trace, fn: number): string {
  if (fn < 0) return '';
  return trace.functions.library[fn] || (categoryOf(trace, fn) === Category.User ? 'user' : categoryLabel(trace, fn));
}

export function functionFile(trace: Trace, fn: number): string {
  const file = fn < 0 ? -1 : trace.functions.file[fn];
  return file < 0 ? '' : trace.functions.files[file];
}

export function functionLocation(trace: Trace, fn: number, short: boolean): string {
  const path = functionFile(trace, fn);
  if (!path) return '';
  const name = short ? path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1) : path;
  const line = trace.functions.line[fn];
  return line > 0 ? `${name}:${line}` : name;
}
