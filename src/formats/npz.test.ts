import { zipSync } from 'fflate';
import { describe, expect, it, test } from 'vitest';
import { FormatError } from '../util/errors.js';
import { Philox } from '../util/philox.js';
import { decodeNpy } from './npy.js';
import { decodeNpz } from './npz.js';

/** numpy.lib.format, version 1.0, with this header and these elements. */
function npy(header: string, data: Uint8Array): Uint8Array {
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const length = Uint8Array.of(padded.length & 255, padded.length >> 8);
  return Uint8Array.from([0x93, ...Buffer.from('NUMPY'), 1, 0, ...length, ...Buffer.from(padded), ...data]);
}

const bytesOf = ({ buffer }: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(buffer as ArrayBuffer);

const matrix = Float32Array.of(1, -2, 0.5, 3, 4, 5);
const header = (shape: string, type = '<f4', order = 'False'): string =>
  `{'descr': '${type}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
const good = npy(header('(2, 3)'), bytesOf(matrix));

function refusalOf(decode: () => unknown): string {
  try {
    decode();
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    const { message } = error as FormatError;
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('was not refused');
}

test('reads what numpy.savez_compressed wrote', () => {
  // Python, NumPy 2.4: np.savez_compressed(f, **{'a/W:0': np.array([[1, -2], [.5, 3]], np.float32), 'n': np.array(7)})
  const golden =
    'UEsDBC0AAAAIAAAAIQA9UVWs//////////8JABQAYS9XOjAubnB5AQAQAJAAAAAAAAAAUwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2airqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOgpGmjoKtQpkAy4GhgZ7BgaGA0AMpB0cAFBLAwQtAAAACAAAACEAI7jwbP//////////BQAUAG4ubnB5AQAQAIgAAAAAAAAARgAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqaOgq1ChQBLnYGCAAAUEsBAi0DLQAAAAgAAAAhAD1RVaxTAAAAkAAAAAkAAAAAAAAAAAAAAIABAAAAAGEvVzowLm5weVBLAQItAy0AAAAIAAAAIQAjuPBsRgAAAIgAAAAFAAAAAAAAAAAAAACAAY4AAABuLm5weVBLBQYAAAAAAgACAGoAAAALAQAAAAA=';
  expect(decodeNpz(Buffer.from(golden, 'base64'), 'golden.npz')).toEqual({
    'a/W:0': { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 3) },
    n: { dtype: 'I64', shape: [], data: Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0) },
  });
});

/** The archive as one of the form ZIP64: its directory's place and count stand in a record before the end. */
function asZip64(archive: Uint8Array): Uint8Array {
  const [end, record] = [archive.length - 22, new DataView(new ArrayBuffer(76))];
  const directory = new DataView(archive.buffer).getUint32(end + 16, true);
  const fields: Record<number, number> = { 0: 0x06064b50, 32: 1, 48: directory, 56: 0x07064b50, 64: end };
  for (const [at, value] of Object.entries(fields)) record.setUint32(Number(at), value, true);
  const tail = archive.slice(end).fill(0xff, 8, 20);
  return Buffer.concat([archive.subarray(0, end), new Uint8Array(record.buffer), tail]);
}

test('a flipped byte is seen, whatever the form of the archive', () => {
  const archive = zipSync({ 'w.npy': good }, { level: 0 });
  for (const file of [archive, asZip64(archive)]) {
    expect(decodeNpz(file, 'x.npz').w).toEqual({ dtype: 'F32', shape: [2, 3], data: matrix });
    const flipped = Uint8Array.from(file);
    // In the last element: a local header has 30 bytes and the name.
    flipped[30 + 5 + good.length - 2]! ^= 1;
    expect(refusalOf(() => decodeNpz(flipped, 'x.npz'))).toBe(
      '\'x.npz\' is not an archive of NumPy arrays: its "w.npy" does not match its CRC-32 (damaged)',
    );
  }
});

test('stored and deflated archives hold the same', () => {
  for (const level of [0, 6] as const) {
    const file = zipSync(
      { 'conv0/W.npy': good, 'x/b:0.npy': npy(header('(2,)', '<f8'), new Uint8Array(16)) },
      { level },
    );
    const arrays = decodeNpz(file, 'w.npz');
    expect(arrays['conv0/W']).toEqual({ dtype: 'F32', shape: [2, 3], data: matrix });
    expect(arrays['x/b:0']).toEqual({ dtype: 'F64', shape: [2], data: new Uint8Array(16) });
  }
});

describe('decodeNpy refuses', () => {
  const data = bytesOf(matrix);
  it.each<[string, Uint8Array, string]>([
    ['what is no array', Uint8Array.from(Buffer.from('PK and so on and on')), 'does not begin with'],
    ['a new version', Uint8Array.from([...good.subarray(0, 6), 4, ...good.subarray(7)]), 'its version is 4'],
    ['a header longer than the file', good.subarray(0, 40), 'follow (truncated?)'],
    ['code', npy("__import__('os').system('true')", data), 'its header is'],
    ['a dictionary in another form', npy("{'shape': (2, 3)}", data), 'its header is'],
    ['objects', npy(header('(2, 3)', '|O'), data), 'its elements are "|O"; known types: <f4'],
    ['big endian', npy(header('(2, 3)', '>f4'), data), 'its elements are ">f4"'],
    ['a type named like a property', npy(header('(2, 3)', 'toString'), data), 'its elements are "toString"'],
    ['the order of Fortran', npy(header('(2, 3)', '<f4', 'True'), data), 'numpy.ascontiguousarray'],
    ['too few elements', good.subarray(0, good.length - 1), '23 bytes follow its header'],
    [
      'too many elements',
      npy(header('(2, 2)'), data),
      '24 bytes follow its header, which are not <f4 of the shape (2, 2)',
    ],
    ['a negative extent', npy(header('(-2, -3)'), data), 'its header is'],
    ['an enormous shape', npy(header(`(${'9'.repeat(15)}, ${'9'.repeat(15)})`), data), 'which are not <f4'],
    ['many axes', npy(header(`(${'1, '.repeat(40)})`), data), 'it has 40 axes'],
  ])('%s', (_, file, rule) => {
    expect(refusalOf(() => decodeNpy(file, '\'x.npz\': "w"'))).toContain(rule);
  });
});

describe('decodeNpz refuses', () => {
  const archive = zipSync({ 'w.npy': good }, { level: 0 });
  /** The archive with a number of 4 bytes in its central directory changed: of the first entry at `offset`. */
  const withDirectory = (offset: number, value: number): Uint8Array => {
    const changed = archive.slice();
    const view = new DataView(changed.buffer);
    view.setUint32(view.getUint32(changed.length - 6, true) + offset, value, true);
    return changed;
  };
  it.each<[string, Uint8Array, string]>([
    ['what is no archive', new Uint8Array(100), 'invalid zip data'],
    ['nothing', new Uint8Array(0), 'invalid zip data'],
    ['the beginning of one', archive.subarray(0, archive.length - 30), 'invalid zip data'],
    ['other files', zipSync({ 'data.pkl': good }), 'it has "data.pkl", which is no .npy file'],
    ['arrays that are none', zipSync({ 'w.npy': Uint8Array.of(1, 2) }), '\'x.npz\': "w" is not a NumPy array'],
    ['more bytes than there are', withDirectory(20, 1 << 20), 'bytes stored for'],
    ['another sum', withDirectory(16, 0), 'its "w.npy" does not match its CRC-32 (damaged)'],
    ['what is no directory', withDirectory(0, 0), 'its directory has no entry at byte'],
    ['an enormous array', withDirectory(24, 0xfffffff0), 'bytes stored for'],
    [
      'what unpacks to more than the limit',
      (() => {
        const bomb = zipSync({ 'w.npy': new Uint8Array(1 << 20) }, { level: 9 });
        const view = new DataView(bomb.buffer);
        view.setUint32(view.getUint32(bomb.length - 6, true) + 24, 0xfffffff0, true);
        return bomb;
      })(),
      'its arrays would take 4294967280 bytes or more; the limit is 1073741824',
    ],
    [
      'what unpacks to more than it declares',
      (() => {
        const liar = zipSync({ 'w.npy': good }, { level: 9 });
        const view = new DataView(liar.buffer);
        view.setUint32(view.getUint32(liar.length - 6, true) + 24, good.length - 8, true);
        return liar;
      })(),
      'does not match its CRC-32',
    ],
  ])('%s', (_, file, rule) => {
    expect(refusalOf(() => decodeNpz(file, 'x.npz'))).toContain(rule);
  });

  it('1000 mutated files or reads them, and never fails in another way', () => {
    const seeds = [archive, zipSync({ 'a/W.npy': good, 'b.npy': npy(header('()', '<i8'), new Uint8Array(8)) })];
    const random = new Philox(7, 'npz fuzz');
    let refused = 0;
    for (let i = 0; i < 1000; i++) {
      let file = seeds[random.nextInt(2)]!.slice();
      for (let edits = 1 + random.nextInt(4); edits > 0 && file.length > 0; edits--) {
        const at = random.nextInt(file.length);
        const kind = random.nextInt(3);
        if (kind === 0) file[at]! ^= 1 << random.nextInt(8);
        else if (kind === 1) file[at] = random.nextInt(256);
        else if (random.nextInt(4) === 0) file = file.slice(0, at);
      }
      try {
        decodeNpz(file, 'x.npz');
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(300);
  });
});
