/** Makes small tar archives, for tests of their reader. */

export interface ExampleEntry {
  readonly name: string;
  readonly data?: Uint8Array;
  /** @default '0', a file */
  readonly type?: string;
  /** The size that is written in place of the data's. */
  readonly size?: string;
}

export function tarFile(entries: readonly ExampleEntry[]): Buffer {
  const blocks = entries.flatMap(({ name, data = new Uint8Array(0), type = '0', size }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(size ?? data.length.toString(8).padStart(11, '0'), 124);
    header.write('        ', 148);
    header.write(type, 156);
    header.write('ustar', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, data, Buffer.alloc(-data.length & 511)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
