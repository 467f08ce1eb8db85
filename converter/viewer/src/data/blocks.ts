// From an inert element of the page to verified raw bytes. Nothing is decoded before it is asked for.

import { decodeBase64 } from './base64';
import { BLOCK_ID_PREFIX, DIRECTORY_ID, END_ID, type BlockEntry, type Directory } from './contract';
import { crc32 } from './crc32';
import { DecodeError } from './varint';

/** Where block texts come from: the page, or a test. */
export interface BlockSource {
  text(number: number): string | null;
  inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

export async function readBlock(source: BlockSource, number: number, entry: BlockEntry): Promise<Uint8Array> {
  const text = source.text(number);
  if (text === null) throw new DecodeError(`block ${number} is missing: this file is cut`);
  let raw: Uint8Array;
  try {
    raw = await source.inflate(decodeBase64(text));
  } catch {
    throw new DecodeError(`block ${number} does not inflate: the file is damaged`);
  }
  if (raw.length !== entry.bytes || crc32(raw) !== entry.crc) {
    throw new DecodeError(`block ${number} fails its checksum: the file is damaged`);
  }
  return raw;
}

export const pageBlocks: BlockSource = {
  text: (number) => document.getElementById(BLOCK_ID_PREFIX + number)?.textContent ?? null,
  async inflate(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  },
};

export function pageDirectory(): Directory {
  const element = document.getElementById(DIRECTORY_ID);
  if (!element) throw new DecodeError('the directory is missing: this file is cut');
  return JSON.parse(element.textContent ?? '') as Directory;
}

/** Known once the page is parsed. */
export function pageIsWhole(): boolean {
  return document.getElementById(END_ID) !== null;
}
