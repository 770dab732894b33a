import { describe, expect, test } from 'vitest';
import { codebookNetwork, exampleNetwork } from '../../test/deployed-example.js';
import { Plan, Variables } from '../backends/plan.js';
import { createReference } from '../backends/reference.js';
import { FormatError, SubbitError } from '../util/errors.js';
import { packBits } from './bit-packing.js';
import { checkNetwork, defaultLimits } from './check-network.js';
import { type DeployedNetwork, type NetworkNode, toGraph } from './deployed-network.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';
import { bytesOfTable, contentHash, decodeSubbit, encodeSubbit, filterForms, predictBytes } from './subbit.js';
import { verificationImages } from './verification.js';

const network = exampleNetwork();
const withVerification: DeployedNetwork = {
  ...network,
  verification: { seed: 7, count: 2, expected: Int32Array.from({ length: 10 }, (_, i) => i - 5) },
};

function logits(of: DeployedNetwork, images: Uint8Array, count: number): number[] {
  const plan = new Plan(toGraph(of, count), new Variables(createReference()));
  plan.tensor('images').set(images);
  plan.run();
  return [...plan.tensor('logits')];
}

describe('a file', () => {
  test('gives back the network', () => {
    const { network: read, macs } = decodeSubbit(encodeSubbit(withVerification), 'x.subbit');
    expect(read).toEqual(withVerification);
    expect(macs).toBe(99 * 27 * 8 + 9 * 72 * 12 + 30 * 8 * 8 + 9 * 36 * 6 + 30);
  });

  test('is a safetensors file with packed tensors', () => {
    const { tensors, metadata } = decodeSafetensors(encodeSubbit(network), 'x.subbit');
    expect(metadata).toMatchObject({ format: 'subbit', version: '2' });
    expect(tensors['conv1/filter']).toMatchObject({ dtype: 'U8', shape: [(9 * 8 * 12) / 8] });
    expect(tensors['conv2/filter']).toMatchObject({ dtype: 'U8', shape: [(9 * 4 * 6 * 3) / 8] });
    expect(tensors['conv0/filter']).toMatchObject({ dtype: 'I16', shape: [3, 3, 3, 8] });
    expect(tensors['conv0/up']).toMatchObject({ dtype: 'I32', shape: [3, 8] });
    expect(tensors['conv2/up']).toMatchObject({ dtype: 'I16', shape: [15, 6] });
    expect(tensors['conv1/stream/shift']).toMatchObject({ dtype: 'I32', shape: [12] });
  });

  test('is the same for the same network, whatever lies around its bytes', () => {
    const bytes = encodeSubbit(withVerification);
    expect(encodeSubbit(exampleNetwork())).toEqual(encodeSubbit(network));
    const within = new Uint8Array(bytes.length + 11);
    within.set(bytes, 3);
    expect(decodeSubbit(within.subarray(3, 3 + bytes.length), 'x.subbit').network).toEqual(withVerification);
  });

  test('has as many bytes as predicted, and as its table says', () => {
    for (const each of [network, withVerification]) {
      const bytes = encodeSubbit(each);
      expect(predictBytes(each)).toBe(bytes.length);
      expect(bytesOfTable(decodeSubbit(bytes, 'x.subbit').table)).toBe(bytes.length);
    }
  });

  test('computes what the network computes, for any batch', () => {
    const { network: read } = decodeSubbit(encodeSubbit(network), 'x.subbit');
    const images = verificationImages(network.input, 3, 3);
    const all = logits(network, images, 3);
    expect(logits(read, images, 3)).toEqual(all);
    expect(new Set(all).size).toBeGreaterThan(5);
    for (let i = 0; i < 3; i++) {
      expect(logits(read, images.subarray(i * 297, (i + 1) * 297), 1)).toEqual(all.slice(5 * i, 5 * i + 5));
    }
  });
});

describe('a file with codebooks', () => {
  const few = codebookNetwork();
  const bytes = encodeSubbit(few);
  const { tensors, metadata } = decodeSafetensors(bytes, 'x.subbit');

  test('gives back the network, whatever the form of its filters', () => {
    for (const form of filterForms) {
      const file = encodeSubbit(few, form);
      expect(decodeSubbit(file, 'x.subbit').network).toEqual(few);
      expect(predictBytes(few, form)).toBe(file.length);
    }
    const sizes = filterForms.map((form) => predictBytes(few, form));
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  });

  test('has indices where they are smaller, coded where that is smaller still, and one codebook for two filters', () => {
    const { table } = decodeSubbit(bytes, 'x.subbit');
    expect(table.codebooks).toEqual([16, 6]);
    const storedOf = (name: string) => table.constants[`${name}/filter`]!.stored;
    expect(storedOf('stem')).toBeUndefined();
    expect(storedOf('alike')).toEqual({ codebook: 0 });
    expect(tensors['alike/filter']!.shape).toEqual([(40 * 32 * 4) / 8]);
    expect(storedOf('few')).toEqual({ codebook: 1, codedBytes: tensors['few/filter']!.shape[0] });
    expect(storedOf('fewer')).toMatchObject({ codebook: 1 });
    expect(tensors['few/filter']!.shape[0]).toBeLessThan(0.9 * ((40 * 48 * 3) / 8));
    expect(tensors['codebook/1']!.shape).toEqual([Math.ceil((6 * 9) / 8)]);
    // The least one: 3 = 000000011, its lowest bit first.
    expect([...tensors['codebook/1']!.data.subarray(0, 2)]).toEqual([3, 16 << 1]);
    expect(tensors['few/signs']!.shape).toEqual([48 / 8]);
  });

  const json = JSON.parse(metadata.graph!) as { codebooks: number[]; constants: Record<string, unknown>[] };
  const named = (graph: typeof json, name: string) => graph.constants.find((each) => each.name === `${name}/filter`)!;
  /** The file with another graph and other tensors, its hash made right. */
  const changed = (change: (graph: typeof json) => void, others: typeof tensors = {}): Uint8Array => {
    const graph = structuredClone(json);
    change(graph);
    const all = { ...tensors, ...others };
    const text = JSON.stringify(graph);
    return encodeSafetensors(all, { ...metadata, graph: text, sha256: contentHash(text, all) });
  };
  const flipped = (name: string, at: number, bits: number): typeof tensors => {
    const { data, ...type } = tensors[name]!;
    const contents = Uint8Array.from(data);
    contents[(at + contents.length) % contents.length]! ^= bits;
    return { [name]: { ...type, data: contents } };
  };
  const nothing = (): void => {};
  const refused: Record<string, [Uint8Array, RegExp]> = {
    'a codebook of one codeword': [changed((graph) => graph.codebooks.splice(0, 1, 1)), /codewords of codebook 0 is 1/],
    'more codewords than there are': [
      changed((graph) => graph.codebooks.splice(0, 1, 513)),
      /is 513, not an integer in 2\.\.512/,
    ],
    'a codebook that is used nowhere': [changed((graph) => graph.codebooks.push(4)), /codebook 2 is used nowhere/],
    'a codebook that is not there': [
      changed((graph) => Object.assign(named(graph, 'alike'), { codebook: 2 })),
      /codebook of constant "alike\/filter" is 2, not an integer in 0\.\.1/,
    ],
    'a codebook of another size': [
      changed((graph) => graph.codebooks.splice(0, 1, 14)),
      /"codebook\/0" is U8 \[18\], and the graph wants U8 \[16\]/,
    ],
    'a codebook on other filters': [
      changed((graph) => Object.assign(named(graph, 'fc'), { codebook: 0 })),
      /"fc\/filter" has a codebook, which only binary 3x3 filters have/,
    ],
    'coded bytes and no codebook': [
      changed((graph) => Object.assign(named(graph, 'stem'), { codedBytes: 100 })),
      /the codebook of constant "stem\/filter" is nothing/,
    ],
    'fewer coded bytes than a bit per filter': [
      changed((graph) => Object.assign(named(graph, 'few'), { codedBytes: 239 })),
      /coded bytes of constant "few\/filter" is 239, not an integer in 240\.\./,
    ],
    'filters that would take much memory': [
      changed((graph) => Object.assign(named(graph, 'few'), { shape: [3, 3, 2 ** 26, 2 ** 26] })),
      /coded bytes of constant "few\/filter" is/,
    ],
    'a codeword twice': [
      changed(nothing, { 'codebook/1': { ...tensors['codebook/1']!, data: new Uint8Array(7) } }),
      /"codebook\/1" is no list of 6 rising codewords/,
    ],
    'bits behind the last codeword': [changed(nothing, flipped('codebook/1', -1, 128)), /"codebook\/1" is no list/],
    'another stream of the same indices': [
      changed(nothing, flipped('few/filter', -1, 1)),
      /"few\/filter" is no list of indices into codebook 1/,
    ],
    'a constant of a reserved name': [
      changed((graph) => Object.assign(named(graph, 'fc'), { name: 'codebook/0' })),
      /cannot have the name "codebook\/0"/,
    ],
  };
  test.each(Object.entries(refused))('is refused for %s', (_, [file, message]) => {
    expect(() => decodeSubbit(file, 'x.subbit')).toThrow(FormatError);
    expect(() => decodeSubbit(file, 'x.subbit')).toThrow(message);
  });

  test('is refused for an index beyond its codebook', () => {
    const beyond = Object.values(flipped('alike/filter', 0, 0))[0]!;
    beyond.data.fill(255);
    const file = changed(
      (graph) => {
        graph.codebooks[0] = 15;
      },
      {
        'alike/filter': beyond,
        'codebook/0': {
          ...tensors['codebook/0']!,
          shape: [17],
          data: packBits(
            Array.from({ length: 15 }, (_, i) => i),
            9,
          ),
        },
      },
    );
    expect(() => decodeSubbit(file, 'x.subbit')).toThrow(/"alike\/filter" is no list of indices into codebook 0/);
  });

  test('of version 1 is one without them, and is read', () => {
    const old = decodeSafetensors(encodeSubbit(network), 'x.subbit');
    const file = encodeSafetensors(old.tensors, { ...old.metadata, version: '1' });
    expect(decodeSubbit(file, 'x.subbit').network).toEqual(network);
  });
});

/** The message with which the network is refused; storing and reading say the same. */
function refusalOf(broken: DeployedNetwork): string {
  const refuse = (rule: string): FormatError => new FormatError(rule);
  try {
    checkNetwork(broken, defaultLimits, refuse);
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    expect(() => encodeSubbit(broken)).toThrow(FormatError);
    return (error as FormatError).message;
  }
  throw new Error('was not refused');
}

function withNode(name: string, change: (node: NetworkNode) => Partial<NetworkNode>): DeployedNetwork {
  return { ...network, nodes: network.nodes.map((node) => (node.name === name ? { ...node, ...change(node) } : node)) };
}

function withAttribute(name: string, attribute: string, value: unknown): DeployedNetwork {
  return withNode(name, ({ attributes }) => ({ attributes: { ...attributes, [attribute]: value as number } }));
}

function withContents(name: string, change: (data: number[]) => void): DeployedNetwork {
  const { type, data } = network.constants[name]!;
  const contents = [...data];
  change(contents);
  const ArrayType = data.constructor as Int32ArrayConstructor;
  return { ...network, constants: { ...network.constants, [name]: { type, data: ArrayType.from(contents) } } };
}

describe('a network is refused', () => {
  const last = network.nodes.at(-1)!;
  const cases: Record<string, [DeployedNetwork, RegExp]> = {
    'an op of training': [withNode('pool2', () => ({ op: 'conv2d' })), /node "pool2" has the unknown op "conv2d"/],
    'a fused op': [withNode('conv1', () => ({ op: 'conv2d-planes' })), /unknown op "conv2d-planes"/],
    'an input that comes later': [withNode('pool0', () => ({ inputs: ['act1'] })), /"act1", which no node before it/],
    'its own result as input': [withNode('pool0', () => ({ inputs: ['pool0'] })), /no node before it computes/],
    'a value in place of a constant': [
      withNode('conv1', () => ({ inputs: ['pool0', 'pool0'] })),
      /"pool0", which is no constant/,
    ],
    'a constant of another type': [
      withNode('fc', () => ({ inputs: ['flat', 'act1/up'] })),
      /i32\[3, 12\], not u8 or i16/,
    ],
    'signs of another number of channels': [
      withNode('conv2', ({ inputs }) => ({ inputs: [...inputs, 'conv1/filter'] })),
      /needs the signs of 6 output channels, bipolar levels of 1 bit, not u8\[3, 3, 8, 12\]/,
    ],
    'too few inputs': [withNode('sum', () => ({ inputs: ['shortcut'] })), /has 1 inputs, not 2..2/],
    'too many inputs': [withNode('pool2', ({ inputs }) => ({ inputs: [...inputs, 'act1'] })), /has 2 inputs, not 1..1/],
    'a missing attribute': [withNode('pool0', () => ({ attributes: {} })), /has no attribute/],
    'an unknown attribute': [withAttribute('sum', 'alpha', 1), /unknown attribute "alpha"/],
    'stride 0': [withAttribute('conv1', 'stride', 0), /attribute stride is 0, not an integer in 1..32768/],
    'a stride of text': [withAttribute('conv1', 'stride', '2'), /attribute stride is "2"/],
    'more output than input': [withAttribute('conv1', 'outHeight', 30000), /gives no output height of 30000/],
    'groups that do not divide': [withAttribute('conv2', 'groups', 5), /in 5 groups does not fit 12 input channels/],
    'a clamp beyond i32': [withAttribute('conv1/stream', 'high', 2 ** 31), /attribute high is 2147483648/],
    'a shape of another size': [withAttribute('flat', 'shape', [7]), /cannot reshape/],
    'a shape of no list': [withAttribute('flat', 'shape', 6), /attribute shape is 6, not a list/],
    'a shift of 48': [
      withContents('conv1/stream/shift', (data) => data.fill(48, 3, 4)),
      /48 in its shift, outside 0..47/,
    ],
    'a multiplier of 17 bits': [
      withContents('conv1/stream/multiplier', (data) => data.fill(-65536, 0, 1)),
      /-65536 in its multiplier/,
    ],
    'sides that overlap': [withContents('act1/down', (data) => data.fill(110, 0, 1)), /down must be below up/],
    'a weight beyond its bound': [
      withContents('fc/filter', (data) => data.fill(301, 0, 1)),
      /"fc\/filter" has the element 301/,
    ],
    'sums past 2^31': [withAttribute('conv1/stream', 'high', 2 ** 31 - 1), /node "sum" .* do not fit i32/],
    'two values of one name': [withNode('pool2', () => ({ name: 'sum' })), /two values are named "sum"/],
    'an unused constant': [
      { ...network, constants: { ...network.constants, extra: network.constants['act1/up']! } },
      /"extra" is used nowhere/,
    ],
    'an unused node': [
      { ...network, nodes: [...network.nodes, { ...last, name: 'extra' }] },
      /"extra" is used nowhere/,
    ],
    'no output': [{ ...network, output: 'logits' }, /output "logits" is no node/],
    'a constant as output': [{ ...network, output: 'act1/up' }, /is no node/],
    'an output of levels': [{ ...network, output: 'conv2/levels' }, /not one i32 for each of 5 classes/],
    'another number of classes': [{ ...network, classes: ['one'] }, /not one i32 for each of 1 classes/],
    'two zero points for three channels': [
      { ...network, input: { ...network.input, zeroPoints: [1, 2] } },
      /the input has 2 zero points for 3 channels/,
    ],
  };
  test.each(Object.entries(cases))('%s', (_, [broken, message]) => expect(refusalOf(broken)).toMatch(message));

  test('too many nodes', () => {
    const nodes = Array.from({ length: 10_001 }, (_, i) => ({ ...last, name: `node${i}` }));
    expect(() => encodeSubbit({ ...network, nodes })).toThrow('it has 10001 nodes; 10000 are the most');
  });

  test('more verification images than memory should take', () => {
    // 1024 times 1 MiB, or one row more.
    const verification = { seed: 1, count: 1024, expected: new Int32Array(1024 * 5) };
    const of = (height: number): DeployedNetwork => ({
      ...network,
      input: { ...network.input, height, width: 1024, channels: 4 },
      verification,
    });
    const limit = 'its 1024 verification images take 1077936128 bytes; the limit is 1073741824';
    expect(() => encodeSubbit(of(257))).toThrow(limit);
    expect(() => encodeSubbit(of(256))).toThrow('the input has 3 zero points for 4 channels');

    const { tensors, metadata } = decodeSafetensors(encodeSubbit({ ...network, verification }), 'x.subbit');
    const graph = JSON.stringify({ ...JSON.parse(metadata.graph!), input: of(257).input });
    const file = encodeSafetensors(tensors, { ...metadata, graph, sha256: contentHash(graph, tensors) });
    expect(() => decodeSubbit(file, 'x.subbit')).toThrow(new FormatError(`'x.subbit': ${limit}`));
  });

  test('an image that costs too much', () => {
    const refuse = (rule: string): FormatError => new FormatError(rule);
    const bytes = 11 * 9 * 3 + 11 * 9 * 8 * 4;
    expect(() => checkNetwork(network, { ...defaultLimits, valueBytes: bytes - 1 }, refuse)).toThrow(
      `node "conv0" makes the values of one image ${bytes} bytes`,
    );
    expect(() => checkNetwork(network, { ...defaultLimits, macs: 99 * 27 * 8 - 1 }, refuse)).toThrow(
      'multiply-accumulates for one image',
    );
  });
});

describe('a damaged file', () => {
  const bytes = encodeSubbit(withVerification);
  const { tensors, metadata } = decodeSafetensors(bytes, 'x.subbit');

  function refusalOfFile(file: Uint8Array): string {
    try {
      decodeSubbit(file, 'x.subbit');
    } catch (error) {
      expect(error).toBeInstanceOf(SubbitError);
      expect((error as Error).message).toMatch(/^'x\.subbit'[^\n]*$/);
      return (error as Error).message;
    }
    throw new Error('was not refused');
  }

  test('is seen by its hash, whichever byte of the data it is', () => {
    const dataStart = 8 + new DataView(bytes.buffer).getUint32(0, true);
    for (let i = dataStart; i < bytes.length; i += 37) {
      const damaged = bytes.slice();
      damaged[i]! ^= 16;
      expect(refusalOfFile(damaged)).toMatch(/do not match their sha256/);
    }
  });

  test('is seen when two tensors change places', () => {
    const swapped = {
      ...tensors,
      'conv1/stream/shift': tensors['conv1/stream/bias']!,
      'conv1/stream/bias': tensors['conv1/stream/shift']!,
    };
    expect(refusalOfFile(encodeSafetensors(swapped, metadata))).toMatch(/do not match their sha256/);
  });

  test('is told from another kind of file', () => {
    expect(refusalOfFile(encodeSafetensors(tensors))).toMatch(/no .subbit file/);
    expect(refusalOfFile(encodeSafetensors(tensors, { ...metadata, version: '1.5' }))).toMatch(/version is "1.5"/);
    expect(refusalOfFile(encodeSafetensors(tensors, { ...metadata, version: '3' }))).toMatch(/update subbit/);
    expect(refusalOfFile(encodeSafetensors(tensors, { ...metadata, note: 'x' }))).toMatch(/unknown key "note"/);
  });
});
