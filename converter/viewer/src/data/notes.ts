// What annotations say of paths and calls. Few have any, so they stand apart.

import { NoteColumn, PathNoteColumn } from './contract';
import { splitColumns } from './varint';

export interface PathNotes {
  waitingNs: number;
  selfWaitingNs: number;
  omittedCalls: number;
  omittedNs: number;
}

/** Times in quanta. */
export interface CallNotes {
  waiting: number;
  omittedCalls: number;
  omitted: number;
  arguments: string | null; // null: not recorded
}

export function decodePathNotes(raw: Uint8Array, count: number): Map<number, PathNotes> {
  const columns = splitColumns(raw, PathNoteColumn.Count, 'pathNotes');
  const read = (column: PathNoteColumn) => columns[column].read();
  const notes = new Map<number, PathNotes>();
  let path = 0;
  for (let i = 0; i < count; i++) {
    path += read(PathNoteColumn.Path);
    notes.set(path, {
      waitingNs: read(PathNoteColumn.Waiting), selfWaitingNs: read(PathNoteColumn.SelfWaiting),
      omittedCalls: read(PathNoteColumn.OmittedCalls), omittedNs: read(PathNoteColumn.OmittedTime),
    });
  }
  return notes;
}

export function decodeCallNotes(raw: Uint8Array, count: number): Map<number, CallNotes> {
  const columns = splitColumns(raw, NoteColumn.Count, 'notes');
  const read = (column: NoteColumn) => columns[column].read();
  const text = new TextDecoder();
  const notes = new Map<number, CallNotes>();
  let call = 0;
  for (let i = 0; i < count; i++) {
    call += read(NoteColumn.Call);
    const waiting = read(NoteColumn.Waiting);
    const omittedCalls = read(NoteColumn.OmittedCalls);
    const omitted = read(NoteColumn.OmittedTime);
    const bytes = read(NoteColumn.ArgumentBytes) - 1;
    const found = bytes < 0 ? null : columns[NoteColumn.Text].take(bytes);
    notes.set(call, { waiting, omittedCalls, omitted, arguments: found && text.decode(found) });
  }
  return notes;
}
