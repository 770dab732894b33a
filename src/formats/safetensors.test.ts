import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, SubbitError } from '../util/errors.js';
import { Philox } from '../util/philox.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

/** A file with this header text; `headerBytes` overrides what the first eight bytes claim. */
function fileOf(header: string | Uint8Array, dataBytes = 0, headerBytes?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, headerBytes ?? BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

function tensorFile(entry: unknown, dataBytes = 0): Uint8Array {
  return fileOf(JSON.stringify({ w: entry }), dataBytes);
}

/** The error of decoding `file`, which must be a FormatError of one line. */
function refusalOf(file: Uint8Array): string {
  try {
    decodeSafetensors(file, 'x.safetensors');
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    const { message } = error as FormatError;
    expect(message).toContain("'x.safetensors'");
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('was not refused');
}

const example = {
  'a.weight': { shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 3) },
  'a.levels': { shape: [3], data: Uint8Array.of(1, 2, 255) },
  'b.count': { shape: [1], data: Int32Array.of(-7) },
};

const anyTensor = fc
  .tuple(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), fc.constantFrom('F32', 'U8', 'I32', 'F64', 'BOOL'))
  .chain(([shape, dtype]) => {
    const elements = shape.reduce((product, extent) => product * extent, 1);
    const bytes = { F32: 4, U8: 1, I32: 4, F64: 8, BOOL: 1 }[dtype]! * elements;
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((raw) => {
      const data = dtype === 'F32' ? new Float32Array(raw.buffer) : dtype === 'I32' ? new Int32Array(raw.buffer) : raw;
      return { dtype: dtype as 'F32', shape, data };
    });
  });
const anyName = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((name) => name !== '__metadata__');

describe('safetensors', () => {
  it('writes the bytes that the reference implementation writes', () => {
    // Python, safetensors 0.8: safetensors.numpy.save({'a.weight': [[1, -2], [.5, 3]] (float32), 'b.count': [-7] (int32),
    // 'a.levels': [1, 2, 255] (uint8)}, {'note': 'x'}). Of types of equal size it puts F32 first; subbit goes by name.
    const header =
      '{"__metadata__":{"note":"x"},"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},' +
      '"b.count":{"dtype":"I32","shape":[1],"data_offsets":[16,20]},' +
      '"a.levels":{"dtype":"U8","shape":[3],"data_offsets":[20,23]}}  ';
    const data = '0000803f000000c00000003f00004040f9ffffff0102ff';
    const golden = `d800000000000000${Buffer.from(header).toString('hex')}${data}`;
    expect(Buffer.from(encodeSafetensors(example, { note: 'x' })).toString('hex')).toBe(golden);
    expect(decodeSafetensors(Buffer.from(golden, 'hex'), 'golden').tensors['b.count']).toEqual({
      dtype: 'I32',
      shape: [1],
      data: Int32Array.of(-7),
    });
  });

  it('round-trips tensors and metadata', () => {
    const anyFile = fc.tuple(fc.dictionary(anyName, anyTensor, { maxKeys: 6 }), fc.dictionary(anyName, fc.string()));
    fc.assert(
      fc.property(anyFile, fc.integer({ min: 0, max: 7 }), ([tensors, metadata], shift) => {
        const bytes = encodeSafetensors(tensors, metadata);
        const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
        shifted.set(bytes);
        const decoded = decodeSafetensors(shifted, 'x');
        expect(Object.entries(decoded.metadata).sort()).toEqual(Object.entries(metadata).sort());
        expect(Object.keys(decoded.tensors).sort()).toEqual(Object.keys(tensors).sort());
        for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
          const other = decoded.tensors[name]!;
          expect({ dtype: other.dtype, shape: other.shape }).toEqual({ dtype, shape });
          expect(other.data.constructor).toBe(data.constructor);
          expect(Buffer.from(other.data.buffer, other.data.byteOffset, other.data.byteLength)).toEqual(
            Buffer.from(data.buffer),
          );
        }
        expect(encodeSafetensors(decoded.tensors, decoded.metadata)).toHaveLength(bytes.length);
      }),
    );
  });

  it('writes the same bytes whatever the order of the tensors', () => {
    const reversed = Object.fromEntries(Object.entries(example).reverse());
    expect(encodeSafetensors(reversed)).toEqual(encodeSafetensors(example));
  });

  it('starts the data at a multiple of 8 and pads with spaces', () => {
    for (let length = 1; length <= 9; length++) {
      const bytes = encodeSafetensors({ ['n'.repeat(length)]: { shape: [], data: Float32Array.of(1) } });
      expect(bytes[0]! % 8).toBe(0);
      expect(bytes.length).toBe(8 + bytes[0]! + 4);
    }
  });

  it('leaves out the metadata when there is none, and reads a file with nothing in it', () => {
    expect(new TextDecoder().decode(encodeSafetensors({}).subarray(8))).toBe('{}      ');
    expect(decodeSafetensors(fileOf('{}'), 'x')).toEqual({ tensors: {}, metadata: {} });
  });

  it('returns views where the alignment allows', () => {
    const bytes = encodeSafetensors(example);
    expect(decodeSafetensors(bytes, 'x').tensors['a.weight']!.data.buffer).toBe(bytes.buffer);
  });

  it('keeps tensors named like properties of objects apart from them', () => {
    const tensors = JSON.parse('{"__proto__": 0, "constructor": 0}');
    for (const name of Object.keys(tensors)) {
      Object.defineProperty(tensors, name, { value: { shape: [1], data: Uint8Array.of(5) } });
    }
    const decoded = decodeSafetensors(encodeSafetensors(tensors), 'x').tensors;
    expect(Object.keys(decoded).sort()).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  });

  it('refuses to write what is not what it says', () => {
    const wrong = [
      { w: { shape: [3], data: Float32Array.of(1, 2) } },
      { w: { dtype: 'F32', shape: [1], data: new Uint8Array(4) } },
      { w: { dtype: 'I64', shape: [1], data: new Uint8Array(4) } },
      { __metadata__: { shape: [1], data: new Uint8Array(1) } },
    ] as Parameters<typeof encodeSafetensors>[0][];
    for (const tensors of wrong) expect(() => encodeSafetensors(tensors)).toThrow(SubbitError);
    expect(() => encodeSafetensors(wrong[0]!)).toThrow(
      "tensor 'w' of type F32 and shape [3] cannot be stored from a Float32Array of 8 bytes",
    );
  });
});

describe('decodeSafetensors refuses', () => {
  const f32 = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const two = (a: number[], b: number[], dataBytes: number): Uint8Array => {
    const entry = ([begin, end]: number[]) => ({ dtype: 'U8', shape: [end! - begin!], data_offsets: [begin, end] });
    return fileOf(JSON.stringify({ a: entry(a), b: entry(b) }), dataBytes);
  };

  it.each<[string, Uint8Array, string]>([
    ['a file too short for its length', new Uint8Array(7), 'it has 7 bytes, fewer than the 8'],
    ['an enormous header', fileOf('{}', 0, 2n ** 63n), '9223372036854775808 bytes, more than the limit of 100000000'],
    ['a header over 100 MB', fileOf('{}', 0, 100_000_001n), '100000001 bytes, more than the limit'],
    ['a header longer than the file', fileOf('{}', 5, 8n), 'its header has 8 bytes, but only 7 follow'],
    ['an empty header', fileOf(''), 'starts with ""'],
    ['invalid UTF-8', fileOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22)), 'not valid UTF-8'],
    ['an overlong UTF-8 form', fileOf(Uint8Array.of(0x7b, 0xc0, 0x80, 0x7d)), 'not valid UTF-8'],
    ['a byte order mark', fileOf('\ufeff{}'), 'not with "{"'],
    ['leading white space', fileOf(' {}'), 'starts with " "'],
    ['a header that is a list', fileOf('[]'), 'starts with "["'],
    ['broken JSON', fileOf('{"a":\n}'), 'not valid JSON'],
    ['zero bytes as padding', fileOf('{}\0\0'), 'not valid JSON'],
    ['a repeated tensor', fileOf('{"w": 1, "v": {}, "\\u0077" : 2}'), 'has the key "w" twice'],
    ['a repeated key in a tensor', fileOf('{"w": {"shape": [], "dtype": "U8", "shape": []}}'), 'the key "shape" twice'],
    ['metadata that is no object', fileOf('{"__metadata__": [1]}'), '__metadata__ is [1], not an object'],
    ['metadata that is null', fileOf('{"__metadata__": null}'), '__metadata__ is null'],
    ['metadata other than strings', fileOf('{"__metadata__": {"v": 1}}'), 'has 1 under "v"; only strings'],
    ['a tensor that is no object', tensorFile([1]), 'tensor "w" is described by [1]'],
    ['a tensor that is null', tensorFile(null), 'tensor "w" is described by null'],
    ['an unknown type', tensorFile({ ...f32, dtype: 'F4' }, 8), 'tensor "w" has the type "F4"; known types: F32, U8'],
    ['a type named like a property', tensorFile({ ...f32, dtype: 'toString' }, 8), 'has the type "toString"'],
    ['a missing type', tensorFile({ shape: [2], data_offsets: [0, 8] }, 8), 'has the type nothing'],
    ['a shape that is no list', tensorFile({ ...f32, shape: 2 }, 8), 'tensor "w" has the shape 2'],
    ['a negative extent', tensorFile({ ...f32, shape: [-2, -1] }, 8), 'has the shape [-2,-1]'],
    ['a broken extent', tensorFile({ ...f32, shape: [0.5, 4] }, 8), 'has the shape [0.5,4]'],
    ['an extent over 2^53', tensorFile({ ...f32, shape: [2 ** 53] }, 8), 'has the shape [9007199254740992]'],
    [
      'an overflowing size',
      tensorFile({ ...f32, shape: [2 ** 40, 2 ** 40, 0] }, 8),
      'whose size in bytes is over 2^53',
    ],
    ['one offset', tensorFile({ ...f32, data_offsets: [8] }, 8), 'has the data_offsets [8]'],
    ['three offsets', tensorFile({ ...f32, data_offsets: [0, 8, 8] }, 8), 'has the data_offsets [0,8,8]'],
    ['offsets as text', tensorFile({ ...f32, data_offsets: ['0', '8'] }, 8), 'has the data_offsets ["0","8"]'],
    ['a negative offset', tensorFile({ ...f32, data_offsets: [-8, 0] }, 8), 'has the data_offsets [-8,0]'],
    ['offsets in reverse', tensorFile({ ...f32, data_offsets: [8, 0] }, 8), 'has the data_offsets [8,0]'],
    [
      'a span that is not the size',
      tensorFile({ ...f32, shape: [3] }, 8),
      'tensor "w" of type F32 and shape [3] needs 12 bytes, but its data_offsets span 8',
    ],
    ['a truncated tensor', tensorFile(f32, 7), 'tensor "w" ends at 8, but the file has only 7 bytes of data'],
    ['bytes after the last tensor', tensorFile(f32, 9), 'the tensors end at 8, but the file has 9 bytes of data'],
    ['bytes without a tensor', fileOf('{}', 1), 'the tensors end at 0, but the file has 1 bytes'],
    ['data that does not begin at 0', two([1, 2], [2, 3], 3), 'tensor "a" begins at 1, not at 0: it leaves a hole'],
    ['a hole', two([0, 2], [3, 4], 4), 'tensor "b" begins at 3, not at 2: it leaves a hole before it'],
    ['an overlap', two([0, 2], [1, 3], 3), 'tensor "b" begins at 1, not at 2: it overlaps the tensor before it'],
    ['two tensors of the same bytes', two([0, 2], [0, 2], 2), 'tensor "b" begins at 0, not at 2: it overlaps'],
  ])('%s', (_, file, rule) => {
    expect(refusalOf(file)).toContain(rule);
  });

  it('deep nesting, without running out of stack', () => {
    const depth = 200_000;
    expect(refusalOf(fileOf(`{"w":${'['.repeat(depth)}${']'.repeat(depth)}}`))).toContain('a deeply nested value');
  });

  it('a name with a line break or of enormous length, in one short line', () => {
    expect(refusalOf(fileOf(JSON.stringify({ 'a\nb': 1 })))).toContain('tensor "a\\nb" is');
    expect(refusalOf(fileOf(JSON.stringify({ ['x'.repeat(10_000)]: 1 }))).length).toBeLessThan(300);
  });

  it('2000 mutated files or reads them, and never fails in another way', () => {
    const seeds = [
      encodeSafetensors(example, { note: 'x', state: '{"step":1}' }),
      encodeSafetensors({ raw: { dtype: 'BF16', shape: [3, 1], data: new Uint8Array(6) }, ...example }),
    ];
    const random = new Philox(2024, 'safetensors fuzz');
    const telling = [...'{}[]",:0123456789-eE\\ntFU'].map((letter) => letter.charCodeAt(0));
    let refused = 0;
    for (let i = 0; i < 2000; i++) {
      let file = seeds[random.nextInt(seeds.length)]!.slice();
      for (let edits = 1 + random.nextInt(4); edits > 0 && file.length > 0; edits--) {
        const at = random.nextInt(random.nextInt(2) === 0 ? file.length : Math.min(file.length, 250));
        const kind = random.nextInt(5);
        if (kind === 0) file[at]! ^= 1 << random.nextInt(8);
        else if (kind === 1) file[at] = random.nextInt(256);
        else if (kind === 2) file[at] = telling[random.nextInt(telling.length)]!;
        else if (kind === 3) file = file.slice(0, at);
        else file = new Uint8Array([...file.subarray(0, at), random.nextInt(256), ...file.subarray(at)]);
      }
      try {
        decodeSafetensors(file, 'x.safetensors');
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
    expect(refused).toBeLessThan(2000);
  });
});
