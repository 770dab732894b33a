/** --model: a run of a network of one's own is trained, evaluated, resumed and exported without its file. Runs `dist/cli.js`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'subbit-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

function subbit(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function json(...args: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = subbit(...args, '--json');
  expect(stderr + status).toMatch(/0$/);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const preset = `{
  name: 'anything', description: 'two layers', input: { height: 8, width: 8, channels: 1 }, first: 'a', last: 'b',
  build: ({ classes }) => sequential(conv('a', { channels: 8 }), activation('b'), flatten(), dense('b', { outputs: classes })),
}`;
const imports = `import { activation, conv, dense, flatten, sequential } from 'subbit/nn';`;

const models: Readonly<Record<string, string>> = {
  'layers.json': JSON.stringify({
    input: { height: 8, width: 8, channels: 1 },
    layers: [
      { layer: 'conv', name: 'a', options: { channels: 8 } },
      { layer: 'activation', options: { next: 'b' } },
      { layer: 'flatten' },
      { layer: 'dense', name: 'b', options: { outputs: 'classes' } },
    ],
  }),
  'plain.mjs': `${imports}\nexport default ${preset};`,
  'typed.ts': `${imports}\nimport type { Preset } from 'subbit/nn';\nexport default ${preset} satisfies Omit<Preset, 'training'>;`,
};

/** A grey pixel as a PNG, and whether the optional package that reads it is there. */
const picture = join(folder, 'grey.png');
writeFileSync(
  picture,
  Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==', 'base64'),
);
const hasSharp = await import('sharp' as string).then(
  () => true,
  () => false,
);

test.each(Object.entries(models))(
  '%s',
  (file, text) => {
    const path = join(folder, file);
    writeFileSync(path, text);
    const run = join(folder, `run-${file}`);
    const trained = json(
      'train',
      '--model',
      path,
      '--data',
      'digits',
      '--bits',
      '1-2-4',
      '--epochs',
      '2',
      '--out',
      run,
    );
    expect(trained.preset).toBe(file.split('.')[0]);
    rmSync(path);
    expect(json('eval', run).accuracy).toBe(trained.finalAccuracy);
    const { layers } = json('inspect', run) as { layers: { name: string; macs: number }[] };
    expect(layers.filter(({ macs }) => macs > 0).map(({ name }) => name)).toEqual(['a', 'b']);
    expect(json('train', '--resume', run).finalAccuracy).toBe(trained.finalAccuracy);
    if (hasSharp) {
      const { predictions } = json('predict', run, picture) as { predictions: { label: number }[] };
      expect(predictions.map(({ label }) => label >= 0 && label < 10)).toEqual([true]);
    }
    const out = join(folder, `${file}.subbit`);
    json('export', run, '--format', 'subbit', '--out', out);
    expect(json('eval', out, '--data', 'digits').images).toBe(360);
  },
  120_000,
);

test.each([
  ['broken.mjs', 'export default {', 'the model broken.mjs cannot be loaded: '],
  [
    'no-preset.mjs',
    'export default { input: 3 };',
    'the model no-preset.mjs must export a preset as its default; it lacks build',
  ],
  [
    'beside.mjs',
    `import './other.mjs'; export default 1;`,
    "it may import subbit and Node's modules (node:..), and nothing else",
  ],
  ['broken.json', '{', 'is not valid JSON'],
  [
    'wrong.json',
    '{"input": {"height": 8, "width": 8, "channels": 1}, "layers": [{"layer": "conv"}]}',
    'model wrong: layers[0].name must',
  ],
  ['model.txt', '', 'a model is a file that ends in .json, .ts, .mts, .js or .mjs'],
])('%s is refused in one line', (file, text, message) => {
  const path = join(folder, file);
  writeFileSync(path, text);
  const { status, stderr } = subbit('inspect', '--model', path);
  expect(stderr).toContain(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(status).toBe(2);
});

test('a model beside a preset, and a file that is not there, are refused', () => {
  const both = subbit('train', 'digits', '--model', 'x.json');
  expect(both.stderr).toContain("--model x.json takes the place of a preset; leave out 'digits'");
  expect(subbit('train', '--model', 'x.json').stderr).toContain("cannot read the model 'x.json'");
});

test('code that was changed in a run is not run', () => {
  const run = join(folder, 'run-plain.mjs');
  const file = join(run, 'run.json');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('channels: 8 }', 'channels: 9 }'));
  const { status, stderr } = subbit('train', '--resume', run);
  expect(stderr).toContain('the code of the model plain.mjs is not what the run was made with (its SHA-256 differs)');
  expect(status).toBe(1);
});
