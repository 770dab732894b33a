/**
 * Structs in thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), walked
 * before hyparquet decodes them: it allocates a list by the size that stands there and joins the bytes of an integer however many
 * there are. Here every size is held to the bytes that are left and every element has its byte, so that decoding takes memory and
 * time of the order of the bytes. Sets and maps, which parquet has not and hyparquet does not read, are refused.
 */

const deepest = 16;
const longestInteger = 10;
const [byteType, doubleType, binaryType, listType, structType] = [3, 7, 8, 9, 12] as const;
const booleanTypes: readonly number[] = [1, 2];
const integerTypes: readonly number[] = [4, 5, 6];

/** Walks the struct at byte `start` and returns where it ends. Throws an Error that says at which byte what is wrong. */
export function checkThrift(bytes: Uint8Array, start: number): number {
  let at = start;
  const skip = (count: number): void => {
    if (count > bytes.length - at)
      throw new Error(`its thrift ends early: it needs ${count} more at ${at} of ${bytes.length} bytes`);
    at += count;
  };
  const byte = (): number => {
    skip(1);
    return bytes[at - 1]!;
  };
  const integer = (): number => {
    let value = 0;
    for (let i = 0; i < longestInteger; i++) {
      const next = byte();
      value += (next & 127) * 2 ** (7 * i);
      if (next < 128) return value;
    }
    throw new Error(`its thrift has an integer of more than ${longestInteger} bytes at ${at}`);
  };
  const element = (type: number, depth: number): void => {
    if (type === byteType) skip(1);
    else if (type === doubleType) skip(8);
    else if (type === binaryType) skip(integer());
    else if (integerTypes.includes(type)) integer();
    else if (type === listType) list(depth + 1);
    else if (type === structType) struct(depth + 1);
    else throw new Error(`its thrift has the type ${type} at ${at}, which parquet has not`);
  };
  const list = (depth: number): void => {
    requireDepth(depth);
    const head = byte();
    const size = head >> 4 === 15 ? integer() : head >> 4;
    if (size > bytes.length - at)
      throw new Error(`its thrift has a list of ${size} elements at ${at} of ${bytes.length} bytes`);
    // A boolean takes a byte here, and none as a field, where it is the type.
    const type = booleanTypes.includes(head & 15) ? byteType : head & 15;
    for (let i = 0; i < size; i++) element(type, depth);
  };
  const struct = (depth: number): void => {
    requireDepth(depth);
    for (let head = byte(); (head & 15) !== 0; head = byte()) {
      // The field's number where it is not the distance to the one before.
      if (head < 16) integer();
      if (!booleanTypes.includes(head & 15)) element(head & 15, depth);
    }
  };
  const requireDepth = (depth: number): void => {
    if (depth > deepest) throw new Error(`its thrift is nested more than ${deepest} deep at ${at}`);
  };
  struct(1);
  return at;
}
