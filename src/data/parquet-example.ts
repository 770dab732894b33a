/**
 * Makes small parquet files, for tests of their readers: one row group of the columns `image` and `label`, plain, not compressed, and
 * without what says which values are missing.
 */

/** A value in thrift's compact protocol. */
interface Item {
  readonly type: number;
  readonly bytes: readonly number[];
}

export interface ExampleTable {
  readonly pictures: readonly Uint8Array[];
  readonly labels: readonly number[];
  readonly labelType: 'INT64' | 'DOUBLE';
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

// Integers of at least 0: twice the value, as the sign is the lowest bit.
const i32 = (value: number): Item => ({ type: 5, bytes: varint(2 * value) });
const i64 = (value: number): Item => ({ type: 6, bytes: varint(2 * value) });
const text = (value: string): Item => ({ type: 8, bytes: [...varint(value.length), ...Buffer.from(value)] });
const list = (items: readonly Item[]): Item => ({
  type: 9,
  bytes: [0xf0 | items[0]!.type, ...varint(items.length), ...items.flatMap(({ bytes }) => bytes)],
});

/** Fields by number, rising, at most 15 from one to the next. */
function struct(fields: Readonly<Record<number, Item>>): Item {
  let before = 0;
  const all = Object.entries(fields).flatMap(([key, { type, bytes }]) => {
    const head = ((Number(key) - before) << 4) | type;
    before = Number(key);
    return [head, ...bytes];
  });
  return { type: 12, bytes: [...all, 0] };
}

/** A file with this footer, whatever it is. */
export function parquetOf(content: Uint8Array, footer: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([Buffer.from('PAR1'), content, footer, length, Buffer.from('PAR1')]);
}

/** The header of the first page begins at byte 4. */
export function parquetExample({ pictures, labels, labelType }: ExampleTable): Buffer {
  const rows = labels.length;
  const images = pictures.flatMap((bytes) => [Buffer.from(Uint32Array.of(bytes.length).buffer), bytes]);
  const numbers = labelType === 'INT64' ? BigInt64Array.from(labels, BigInt) : Float64Array.from(labels);
  const columns = [
    { name: 'image', type: 6, data: Buffer.concat(images) },
    { name: 'label', type: labelType === 'INT64' ? 2 : 5, data: Buffer.from(numbers.buffer) },
  ];
  let content = Buffer.alloc(0);
  const chunks = columns.map(({ name, type, data }) => {
    const start = 4 + content.length;
    const values = struct({ 1: i32(rows), 2: i32(0), 3: i32(3), 4: i32(3) });
    const header = struct({ 1: i32(0), 2: i32(data.length), 3: i32(data.length), 5: values });
    const page = Buffer.concat([Uint8Array.from(header.bytes), data]);
    content = Buffer.concat([content, page]);
    const place = { 5: i64(rows), 6: i64(page.length), 7: i64(page.length), 9: i64(start) };
    const description = struct({ 1: i32(type), 2: list([i32(0)]), 3: list([text(name)]), 4: i32(0), ...place });
    return struct({ 2: i64(start), 3: description });
  });
  const schema = [
    struct({ 4: text('schema'), 5: i32(2) }),
    ...columns.map(({ name, type }) => struct({ 1: i32(type), 3: i32(0), 4: text(name) })),
  ];
  const group = struct({ 1: list(chunks), 2: i64(content.length), 3: i64(rows) });
  const footer = struct({ 1: i32(1), 2: list(schema), 3: i64(rows), 4: list([group]) });
  return parquetOf(content, Uint8Array.from(footer.bytes));
}
