/** The commands for deployed networks, as a person meets them. Runs the built `dist/cli.js`. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OnnxModel } from '../src/formats/onnx-model.js';
import { encodeOnnx } from '../src/formats/onnx-writer.js';
import { decodeSubbit, encodeSubbit } from '../src/formats/subbit.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'subbit-deploy-'));
const run = join(folder, 'run');
const model = join(folder, 'digits.subbit');
afterAll(() => rmSync(folder, { recursive: true }));

function subbit(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function json(...args: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = subbit(...args, '--json');
  expect(status, stderr).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Record<string, unknown>;
}

let exported: Record<string, unknown>;

beforeAll(() => {
  json('train', 'digits', '--bits', '1-2-4', '--epochs', '3', '--out', run);
  exported = json('export', run, '--format', 'subbit', '--out', model);
}, 120_000);

test('export writes the file and predicts its size', () => {
  const fileBytes = statSync(model).size;
  expect(exported).toMatchObject({ file: model, format: 'subbit', fileBytes, predictedBytes: fileBytes });
});

test('eval of the model gives what eval of the run gives', () => {
  const ofRun = json('eval', run);
  const ofModel = json('eval', model);
  expect(Object.keys(ofModel).sort()).toEqual(Object.keys(ofRun).sort());
  expect(ofModel.images).toBe(360);
  expect(Math.abs((ofModel.accuracy as number) - (ofRun.accuracy as number))).toBeLessThan(0.01);
  expect(Math.abs((ofModel.loss as number) - (ofRun.loss as number))).toBeLessThan(0.02);
});

describe('ONNX', () => {
  test.each(['onnx', 'qonnx'])('what export --format %s wrote, import makes the same model of', (format) => {
    const file = join(folder, `digits-${format}.onnx`);
    const back = join(folder, `digits-${format}.subbit`);
    expect(json('export', run, '--format', format, '--out', file)).toMatchObject({ file, format, roundings: [] });
    expect(json('import', file, '--out', back)).toMatchObject({ file: back, format: 'subbit' });
    const { seconds, imagesPerSecond, ...ofBack } = json('eval', back, '--data', 'digits');
    expect(json('eval', model)).toMatchObject({ accuracy: ofBack.accuracy, loss: ofBack.loss });
    expect(json('verify', back)).toMatchObject({ identical: true });
  });

  test('what cannot be imported is one line', () => {
    const refused = (name: string, model: Partial<OnnxModel>): string => {
      const file = join(folder, name);
      writeFileSync(file, encodeOnnx({ ...plain, ...model }));
      const { status, stdout, stderr } = subbit('import', file, '--out', join(folder, 'refused.subbit'));
      expect(stdout + status).toBe('1');
      return stderr;
    };
    const plain: OnnxModel = {
      name: 'm',
      inputs: [{ name: 'x', type: 'float32', shape: [1, 3, 8, 8] }],
      outputs: [{ name: 'y', type: 'float32', shape: [1, 10] }],
      initializers: {},
      nodes: [],
    };
    const node = { inputs: ['x'], outputs: ['y'] };
    expect(refused('a.onnx', { nodes: [{ ...node, op: 'Gelu', name: 'g' }] })).toBe(
      "subbit: Gelu 'g': the operator is not supported\n",
    );
    expect(refused('b.onnx', {})).toBe("subbit: the output 'y' is computed nowhere in the model\n");
    expect(refused('c.onnx', { nodes: [{ op: 'Relu', inputs: ['z'], outputs: ['y'] }] })).toBe(
      "subbit: Relu 'y': its input 'z' is nowhere in the model\n",
    );
    const cycle = [
      { op: 'Relu', inputs: ['z'], outputs: ['y'] },
      { op: 'Relu', inputs: ['y'], outputs: ['z'] },
    ];
    expect(refused('d.onnx', { nodes: cycle })).toMatch(/^subbit: Relu '[yz]': the model has a cycle through it\n$/);
    const strides = { strides: { ints: [1, 2] } };
    const weights = { shape: [4, 3, 1, 1], data: new Float32Array(12) };
    expect(
      refused('e.onnx', {
        initializers: { w: weights },
        nodes: [{ op: 'Conv', name: 'c', inputs: ['x', 'w'], outputs: ['y'], attributes: strides }],
      }),
    ).toBe("subbit: Conv 'c': strides [1, 2] is not supported\n");
    writeFileSync(join(folder, 'f.onnx'), 'not a model');
    expect(subbit('import', join(folder, 'f.onnx'), '--out', 'x.subbit').stderr).toMatch(
      /f.onnx' cannot be read: [^\n]+\n$/,
    );
  });

  test('data is read beside the model and nowhere else', () => {
    // Python, onnx 1.23: a tensor e of two floats at byte 4 of the file that is named here.
    const head = (location: string): string => {
      const inner = Buffer.from(location);
      const entry = Buffer.concat([
        Buffer.from([0x0a, 8]),
        Buffer.from('location'),
        Buffer.from([0x12, inner.length]),
        inner,
      ]);
      const tensor = Buffer.concat([
        Buffer.from([8, 2, 16, 1, 0x42, 1, 0x65, 0x6a, entry.length]),
        entry,
        Buffer.from([0x70, 1]),
      ]);
      const graph = Buffer.concat([Buffer.from([0x2a, tensor.length]), tensor]);
      const file = join(folder, 'external.onnx');
      writeFileSync(
        file,
        Buffer.concat([Buffer.from([8, 10, 0x3a, graph.length]), graph, Buffer.from([0x42, 4, 0x0a, 0, 16, 21])]),
      );
      return subbit('import', file, '--out', 'x.subbit').stderr;
    };
    writeFileSync(join(folder, 'beside.bin'), Buffer.alloc(8));
    expect(head('beside.bin')).toMatch(/^subbit: an image classifier has one input and an output/);
    expect(head('absent.bin')).toMatch(/the file 'absent.bin' with its data is missing\n$/);
    for (const outside of ['../x.bin', '/etc/passwd'])
      expect(head(outside)).toContain(`it wants data from '${outside}', outside of its folder\n`);
  });
});

test('inspect shows layers, edges and sizes of the model', () => {
  const { layers, edges, totals } = json('inspect', model) as {
    layers: { name: string }[];
    edges: { name: string; encoding: unknown }[];
    totals: Record<string, number>;
  };
  expect(layers.find(({ name }) => name === 'conv1')).toMatchObject({
    op: 'conv2d',
    outputShape: [8, 8, 64],
    weightBits: 1,
    activationBits: 2,
    parameters: 18_432,
    weightBytes: 2304,
    macs: 1_179_648,
    bitOps: 2 * 1_179_648,
  });
  expect(edges[0]).toMatchObject({ name: 'images', op: 'input', shape: [8, 8, 1], dtype: 'u8' });
  for (const { encoding } of edges) expect(encoding).toHaveProperty('kind');
  expect(totals.fileBytes).toBe(statSync(model).size);
  expect(totals.predictedBytes).toBe(totals.fileBytes);
  for (const key of ['parameters', 'macs', 'bitOps', 'floatMacs', 'bitsPerWeight', 'weightBytes', 'float32Bytes'])
    expect(totals[key], key).toBeTypeOf('number');
  expect(subbit('inspect', model).stdout).toMatch(/levels 0\.\.3/);
});

/** Whether the optional package sharp is there, which reads pictures. */
const hasSharp = await import('sharp' as string).then(
  () => true,
  () => false,
);

describe.skipIf(!hasSharp)('predict (skipped without sharp)', () => {
  const pictures = join(folder, 'pictures');
  const damaged = join(pictures, 'inner', 'b.png');
  beforeAll(async () => {
    const { default: sharp } = (await import('sharp' as string)) as { default: (file: object) => Sharp };
    mkdirSync(join(pictures, 'inner'), { recursive: true });
    const create = { width: 30, height: 20, channels: 3, background: '#808080' };
    await sharp({ create }).toFile(join(pictures, 'a.jpg'));
    await sharp({ create }).toFile(join(pictures, 'inner', 'c.png'));
    writeFileSync(join(pictures, 'notes.txt'), 'no picture');
  });
  interface Sharp {
    toFile(file: string): Promise<unknown>;
  }
  interface Predictions {
    predictions: { file: string; label: number; class: string; probability: number; top: { probability: number }[] }[];
    failed?: { file: string }[];
  }

  test('a run and its model tell the same of a folder of pictures', () => {
    const [ofRun, ofModel] = [run, model].map((path) => json('predict', path, pictures) as unknown as Predictions);
    const files = [join(pictures, 'a.jpg'), join(pictures, 'inner', 'c.png')];
    for (const { predictions } of [ofRun!, ofModel!]) {
      expect(predictions.map(({ file }) => file)).toEqual(files);
      for (const each of predictions) {
        expect(each.top).toHaveLength(5);
        expect(each).toMatchObject(each.top[0]!);
        expect(each.class).toBe(String(each.label));
      }
    }
    const difference = ofRun!.predictions[0]!.probability - ofModel!.predictions[0]!.probability;
    expect(Math.abs(difference)).toBeLessThan(0.02);
    expect(ofRun!.predictions[0]!.label).toBe(ofModel!.predictions[0]!.label);
  });

  test('a damaged picture is one line and exit code 1, and the others are told', () => {
    writeFileSync(damaged, 'no picture');
    const { status, stdout, stderr } = subbit('predict', run, pictures, '--top', '1', '--json');
    rmSync(damaged);
    expect(status).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(/^subbit: cannot read '.*b\.png'/)]);
    const { predictions, failed } = JSON.parse(stdout) as Predictions;
    expect(predictions).toHaveLength(2);
    expect(failed!.map(({ file }) => file)).toEqual([damaged]);
  });

  test('a folder without pictures is refused', () => {
    const { status, stderr } = subbit('predict', run, join(run, 'checkpoints'));
    expect(stderr).toMatch(/holds no pictures/);
    expect(status).toBe(2);
  });
});

describe('verify', () => {
  test('finds every backend identical', () => {
    const result = json('verify', model, '--data', 'digits', '--images', '20') as {
      backends: { name: string; isa: string; identical: boolean; firstDifference: null }[];
    };
    expect(result).toMatchObject({ identical: true, vectors: 24 });
    expect(result.backends[0]).toMatchObject({ name: 'reference', isa: 'typescript', identical: true });
    expect(result.backends.length).toBeGreaterThan(1);
    for (const each of result.backends) expect(each).toMatchObject({ identical: true, firstDifference: null });
  });

  test('exits 1 and names the difference when a number is another', () => {
    const { network } = decodeSubbit(readFileSync(model), model);
    const { seed, count, expected } = network.verification!;
    const other = expected.map((value, i) => (i === 13 ? value + 1 : value));
    const wrong = join(folder, 'wrong.subbit');
    writeFileSync(wrong, encodeSubbit({ ...network, verification: { seed, count, expected: other } }));
    const { status, stdout } = subbit('verify', wrong, '--json');
    expect(status).toBe(1);
    const { identical, backends } = JSON.parse(stdout) as { identical: boolean; backends: unknown[] };
    expect(identical).toBe(false);
    const firstDifference = { image: 1, class: 3, expected: other[13], actual: expected[13] };
    expect(backends[0]).toMatchObject({ identical: false, firstDifference });
  });
});

describe('errors are one line with an exit code', () => {
  const damaged = join(folder, 'damaged.subbit');
  beforeAll(() => {
    const bytes = readFileSync(model);
    bytes[bytes.length - 9]! ^= 1;
    writeFileSync(damaged, bytes);
    writeFileSync(join(folder, 'picture.png'), 'no picture');
  });

  test.each([
    ['a damaged model', ['eval', damaged], 1, /damaged\.subbit': the contents do not match their sha256/],
    ['no model', ['inspect', 'none.subbit'], 2, /there is no model 'none\.subbit'/],
    ['a run for a model', ['verify', run], 2, /subbit export .* --format subbit/],
    ['another kind of file', ['verify', join(run, 'run.json')], 1, /is not a safetensors file/],
    ['an unknown format', ['export', run, '--format', 'subbi', '--out', 'x'], 2, /did you mean 'subbit'/],
    ['no picture or no sharp', ['predict', model, 'none.png'], undefined, /sharp|no picture 'none\.png'/],
    ['no such run', ['export', 'no-run', '--format', 'subbit', '--out', 'x'], 2, /no run 'no-run'/],
  ] as [string, string[], number | undefined, RegExp][])('%s', (_, args, status, message) => {
    const result = subbit(...args);
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
    expect(result.stdout).toBe('');
    if (status === undefined) expect([1, 2]).toContain(result.status);
    else expect(result.status).toBe(status);
  });
});

describe('compact', () => {
  const compacted = join(folder, 'compact');
  const small = join(folder, 'compact.subbit');
  const codewords = 8;
  let result: Record<string, unknown>;

  beforeAll(() => {
    const recipe = ['--codewords', String(codewords), '--epochs', '3', '--renew-every', '4', '--teacher', run];
    result = json('compact', run, ...recipe, '--out', compacted);
  }, 120_000);

  test('goes on from a run with few codewords', () => {
    expect(result).toMatchObject({ run: compacted, preset: 'digits', bits: '1-2-4', epochs: 3, codewords });
    expect(result.distinctCodewords).toEqual({ conv1: codewords, conv2: codewords });
    const changed = result.changedCodewords as Record<string, number[]>;
    // 60 % of 3 epochs of 44 steps, a renewal every 4.
    expect(changed.conv1).toHaveLength(20);
    expect(result.finalAccuracy).toBeGreaterThan(0.8);
    // Three bits for nine weights, and the codebooks.
    expect(result.bitsPerWeight).toBeGreaterThan(3 / 9);
    expect(result.bitsPerWeight).toBeLessThan(0.35);
  });

  test('its file is smaller, and computes the same everywhere', () => {
    const { fileBytes, predictedBytes } = json('export', compacted, '--format', 'subbit', '--out', small);
    expect(predictedBytes).toBe(fileBytes);
    // Three bits in place of nine for 6,144 filters are 4,608 bytes less.
    expect(fileBytes).toBeLessThan(statSync(model).size - 4000);
    expect(json('verify', small)).toMatchObject({ identical: true });
    const { layers } = json('inspect', small) as { layers: { name: string; codewords?: number }[] };
    expect(layers.find(({ name }) => name === 'conv2')).toMatchObject({ codewords });
    const [ofRun, ofModel] = [json('eval', compacted), json('eval', small)];
    expect(Math.abs((ofModel.accuracy as number) - (ofRun.accuracy as number))).toBeLessThan(0.01);
  });

  test('inspect --kernels shows what was selected, and when', () => {
    const page = join(folder, 'kernels.html');
    const { kernels } = json('inspect', compacted, '--kernels', '--html', page) as {
      kernels: { selected: number[]; ranking: number[]; history: { renewals: unknown[] } }[];
    };
    for (const { selected, ranking, history } of kernels) {
      expect(selected).toHaveLength(codewords);
      expect(ranking.every((id) => selected.includes(id))).toBe(true);
      expect(history.renewals).toHaveLength(20);
    }
    expect(readFileSync(page, 'utf8')).toMatch(/of 8 selected/);
  });

  test.each([
    [['compact', run], 'needs --codewords'],
    [['compact', run, '--codewords', '0'], 'in 1..512'],
    [['compact', run, '--codewords', '8', '--select', 'best'], "'best'"],
    [['train', 'digits', '--select', 'learned'], 'needs --codewords'],
    [['train', 'digits', '--renew-every', '5'], '--renew-every is about the choice of codewords'],
    [['train', 'digits', '--distill', '2'], 'in 0..1'],
    [['compact', join(folder, 'nothing'), '--codewords', '8'], 'there is no run'],
  ])('%j is refused in one line', (args, message) => {
    const { status, stderr } = subbit(...args);
    expect(status).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(message);
  });
});
