import { describe, expect, test } from 'vitest';
import { exampleNetwork } from '../../test/deployed-example.js';
import { Plan, Variables } from '../backends/plan.js';
import { createReference } from '../backends/reference.js';
import { FormatError, SubbitError } from '../util/errors.js';
import { checkNetwork, defaultLimits } from './check-network.js';
import { type DeployedNetwork, type NetworkNode, toGraph } from './deployed-network.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';
import { decodeSubbit, encodeSubbit, predictBytes } from './subbit.js';
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
    expect(metadata).toMatchObject({ format: 'subbit', version: '1' });
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

  test('has as many bytes as its table predicts', () => {
    for (const each of [network, withVerification]) {
      // A table without any contents.
      const constants = Object.fromEntries(Object.entries(each.constants).map(([name, { type }]) => [name, { type }]));
      expect(predictBytes({ ...each, constants })).toBe(encodeSubbit(each).length);
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
    expect(refusalOfFile(encodeSafetensors(tensors, { ...metadata, version: '2' }))).toMatch(/update subbit/);
    expect(refusalOfFile(encodeSafetensors(tensors, { ...metadata, note: 'x' }))).toMatch(/unknown key "note"/);
  });
});
