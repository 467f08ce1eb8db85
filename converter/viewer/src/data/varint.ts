// Reads and writes LEB128 columns. Values are doubles: exact up to 2^53.

export class DecodeError extends Error {}

export class ColumnReader {
  private at = 0;
  constructor(private readonly bytes: Uint8Array, private readonly name: string) {}

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  read(): number {
    const bytes = this.bytes;
    let byte = bytes[this.at++];
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    do {
      if (this.at >= bytes.length) throw new DecodeError(`column ${this.name} ends inside a number`);
      byte = bytes[this.at++];
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    return value;
  }

  /** Bytes that are no numbers. */
  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw new DecodeError(`column ${this.name} ends inside a text`);
    return this.bytes.subarray(this.at, (this.at += length));
  }

  readSigned(): number {
    return unzigzag(this.read());
  }
}

export function unzigzag(value: number): number {
  const half = Math.floor(value / 2);
  return value % 2 === 0 ? half : -half - 1;
}

export function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

/** Splits a raw block into its columns. */
export function splitColumns(raw: Uint8Array, expected: number, block: string): ColumnReader[] {
  const head = new ColumnReader(raw, `${block} head`);
  const count = head.read();
  if (count < expected) throw new DecodeError(`${block}: expected ${expected} columns, found ${count}`);
  const lengths: number[] = [];
  for (let i = 0; i < count; i++) lengths.push(head.read());
  let offset = raw.length - lengths.reduce((sum, length) => sum + length, 0);
  if (!(offset > 0)) throw new DecodeError(`${block}: columns are longer than the block`);
  return lengths.map((length, i) => {
    const column = new ColumnReader(raw.subarray(offset, offset + length), `${block}.${i}`);
    offset += length;
    return column;
  });
}
