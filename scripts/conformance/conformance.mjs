/**
 * npm run conformance: subbit beside the Python packages that its files are for. Not part of npm test, because it needs Python and, the first
 * time, PyPI:
 *
 *     node scripts/conformance/conformance.mjs [--python PATH] [--qkeras PATH]
 *
 *     --python   a Python that has torch, brevitas, onnx, onnxoptimizer, onnxruntime, qonnx and safetensors
 *                @default an environment of its own in build/conformance, made when it is missing
 *     --qkeras   a Python for QKeras, whose converter is in old packages: tensorflow-cpu 2.15, tf_keras 2.15, qkeras 0.9, tf2onnx 1.16,
 *                onnx 1.15, onnxruntime 1.17, pyparsing below 3.2, and qonnx 0.4 without its dependencies
 *                @default no checks of QKeras
 *
 * Prints a line per check, and how many ran; build/conformance/node-tests.md is the table of docs/interop.md. Exit status 1 when one fails, or did not run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleTypescript } from '../bundle-typescript.mjs';
import { root } from '../kernel-sources.mjs';

const { values } = parseArgs({ options: { python: { type: 'string' }, qkeras: { type: 'string' } } });
const folder = join(root, 'build', 'conformance');
mkdirSync(folder, { recursive: true });

/** What a program prints; undefined when it fails, with its last words on standard error. */
function output(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1e9 });
  if (status === 0) return stdout.trim();
  console.error(error?.message ?? stderr.trim().split('\n').slice(-5).join('\n'));
  return undefined;
}

function findPython() {
  if (values.python !== undefined) return values.python;
  const venv = join(folder, 'venv');
  const python = join(venv, 'bin', 'python');
  const packages = ['torch', 'brevitas', 'onnx', 'onnxoptimizer', 'onnxruntime', 'qonnx', 'safetensors'];
  if (existsSync(join(venv, 'complete'))) return python;
  console.error(`setting up: ${packages.join(', ')} (once; a few minutes and gigabytes)`);
  const isMade = output('python3', ['-m', 'venv', venv]) !== undefined;
  if (!isMade || output(python, ['-m', 'pip', 'install', '--quiet', ...packages]) === undefined) return undefined;
  writeFileSync(join(venv, 'complete'), '');
  return python;
}

const python = findPython();
const script = (name, ...args) =>
  python && output(python, [join(root, 'scripts/conformance', name), ...args.map(String)]);
const subbit = (...args) => output(process.execPath, [join(root, 'dist/cli.js'), ...args, '--json']);
const floats = (file) => new Float32Array(new Uint8Array(readFileSync(file)).buffer);

let ran = 0;
let failed = 0;

/** `measure` gives undefined where nothing could be measured. */
function check(what, measure, isGood) {
  const value = measure();
  if (value === undefined || Number.isNaN(value)) console.log(`NOT RUN  ${what}`);
  else {
    ran++;
    const good = isGood(value);
    if (!good) failed++;
    console.log(`${good ? 'ok      ' : 'FAILED  '} ${what}: ${value}`);
  }
}

/** A bundle lies in a file, because what it loads is found from there. */
async function bundled(name) {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, await bundleTypescript(`conformance/${name}.ts`));
  return import(pathToFileURL(file).href);
}

const { predictionsOf, logitsOf, trainableLogitsOf, presetInPytorch } = await bundled('compute');
const { operatorNames, runNodeTest, nodeTestRow } = await bundled('node-tests');
let wanted = 0;

const networks = [
  ['1-2-4'],
  ['2-2-32'],
  ['1-1-4', '--codewords', '8'],
  ['8-8-32'],
  ['2-2-32', '--weight-quantizer', 'lsq', '--activation-quantizer', 'pact'],
];
for (const [bits, ...options] of networks) {
  const name = [bits, ...options.filter((each) => !each.startsWith('--'))].join('-');
  const run = join(folder, `run-${name}`);
  subbit('train', 'digits', '--bits', bits, ...options, '--epochs', '4', '--out', run, '--force');
  const { images, classes } = await predictionsOf(run, 'digits');
  writeFileSync(join(folder, 'images'), images);
  writeFileSync(join(folder, 'classes'), classes);
  for (const format of ['onnx', 'qonnx']) {
    const file = join(folder, `${name}-${format}.onnx`);
    subbit('export', run, '--format', format, '--out', file);
    const runners = format === 'onnx' ? ['onnxruntime'] : ['onnxruntime', 'qonnx'];
    for (const runner of runners) {
      wanted++;
      const count = runner === 'qonnx' ? 64 : 360;
      const agreeing = () => {
        const said = script(
          'exports.py',
          file,
          join(folder, 'images'),
          join(folder, 'classes'),
          8,
          8,
          1,
          runner,
          count,
        );
        return said === undefined ? undefined : Number(said);
      };
      check(
        `digits ${name}, --format ${format}, ${runner}: share of ${count} images with the same class`,
        agreeing,
        (share) => share >= 0.997,
      );
    }
  }
}

const models = ['cnv-1-1', 'cnv-2-2', 'cnv-2-2-qcdq', 'residual-4-4', 'residual-4-4-qcdq'];
script('brevitas_models.py', folder);
const images = Uint8Array.from({ length: 4 * 32 * 32 * 3 }, (_, i) => (i * 7919) % 256);
writeFileSync(join(folder, 'noise'), images);
const largest = (found, expected) => found.reduce((most, each, i) => Math.max(most, Math.abs(each - expected[i])), 0);
for (const model of models) {
  const file = join(folder, `${model}.onnx`);
  wanted += 2;
  const expectedFile = join(folder, `${model}.logits`);
  const isThere = script('imports.py', file, join(folder, 'noise'), 32, 32, 3, expectedFile) !== undefined;
  const expected = isThere ? floats(expectedFile) : undefined;
  const found = expected && (await logitsOf(file, images));
  check(
    `Brevitas ${model}, imported: largest difference of logits`,
    () => found && largest(found.graph, expected),
    (error) => error < 1e-4,
  );
  check(
    `Brevitas ${model}, deployed: the same`,
    () => found && largest(found.deployed, expected),
    (error) => error < 2e-3,
  );
}

const networksOfTorch = ['resnet', 'mobilenet', 'squeezenet', 'vgg'].flatMap((name) => [name, `${name}-folded`]);
const areThere = script('torch_models.py', folder, join(folder, 'noise')) !== undefined;
for (const name of networksOfTorch) {
  wanted++;
  const found = areThere ? (await trainableLogitsOf(join(folder, `${name}.onnx`), images)).logits : undefined;
  check(
    `PyTorch ${name}, train --from before the first step: largest difference of logits from ONNX Runtime`,
    () => found && largest(found, floats(join(folder, `${name}.logits`))),
    (error) => error < 1e-5,
  );
}

const nodeFolder = join(folder, 'node');
mkdirSync(nodeFolder, { recursive: true });
const cases = (script('node_tests.py', nodeFolder, ...operatorNames) ?? '').split('\n').map((line) => line.split(' '));
const rows = [];
for (const op of operatorNames) {
  const results = cases.filter(([own]) => own === op).map(([, name]) => ({ name, ...runNodeTest(nodeFolder, name) }));
  const bad = results.filter(({ status }) => status === 'failed');
  for (const { name, reason } of bad) console.error(`${name}: ${reason}`);
  if (results.length > 0) rows.push(nodeTestRow(op, results));
  wanted++;
  check(
    `ONNX's node tests of ${op}: refused by name, or as expected`,
    () => (results.length > 0 ? `${results.length - bad.length} of ${results.length}` : undefined),
    () => bad.length === 0,
  );
}
writeFileSync(join(folder, 'node-tests.md'), `${rows.join('\n')}\n`);

if (values.qkeras !== undefined) {
  output(values.qkeras, [join(root, 'scripts/conformance/qkeras_models.py'), folder]);
  for (const model of ['qkeras-4-4', 'qkeras-2-2', 'qkeras-1-3']) {
    wanted++;
    const file = join(folder, `${model}.onnx`);
    const found = existsSync(file) ? (await logitsOf(file, images)).deployed : undefined;
    check(
      `${model}, imported and deployed: largest difference of logits from those of QKeras`,
      () => found && largest(found, floats(join(folder, `${model}.logits`))),
      (error) => error < 1e-4,
    );
  }
}

for (const preset of ['resnet20', 'resnet18-cifar']) {
  wanted++;
  const { file, images: bytes, logits, zeroPoints, step } = await presetInPytorch(preset);
  const path = (part) => join(folder, `${preset}.${part}`);
  for (const [part, contents] of Object.entries({ safetensors: file, images: bytes, logits }))
    writeFileSync(path(part), contents);
  const files = [path('safetensors'), path('images'), path('logits')];
  const measure = () => {
    const said = script('pytorch_models.py', preset, ...files, zeroPoints.join(), step);
    return said === undefined ? undefined : Number(said);
  };
  check(`${preset} in PyTorch, by its names: largest difference of logits`, measure, (error) => error < 1e-3);
}

console.log(`${ran} of ${wanted} checks ran, ${failed} failed`);
process.exitCode = failed > 0 || ran < wanted ? 1 : 0;
