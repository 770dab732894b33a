/**
 * The package as npm would publish it, installed into an empty project: no compiler runs, types and imports work, WebAssembly trains
 * the digits and says so, and `build-native` has all that it needs.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builtFile } from '../src/backends/built-file.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'subbit-package-'));
const installed = join(project, 'node_modules/subbit');
afterAll(() => rmSync(project, { recursive: true }));

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: project, encoding: 'utf8' });
  expect(`${stderr}${stdout}${status}`, `${command} ${args.join(' ')}`).toMatch(/0$/);
  return stdout;
}

const subbit = (...args: string[]): string => run(process.execPath, join(installed, 'dist/cli.js'), ...args);

let packedBytes = 0;

beforeAll(() => {
  const { stdout } = spawnSync('npm', ['pack', '--ignore-scripts', '--pack-destination', project], {
    cwd: root,
    encoding: 'utf8',
  });
  const tarball = join(project, stdout.trim());
  packedBytes = statSync(tarball).size;
  writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }');
  run('npm', 'install', tarball, '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error');
}, 120_000);

test('is small, and holds neither tests nor what a build leaves', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(files.filter((file) => /\.test\.|\.cases\.|\.node$|\.o$|test-kernels/.test(file))).toEqual([]);
  expect(files.filter((file) => file.endsWith('.wasm')).length).toBe(8);
  expect(packedBytes).toBeLessThan(2_000_000);
});

const program = `import { fit, openData, type Model } from 'subbit';

const data = await openData('digits');
const model: Model = await fit('digits', data, { bits: '1-2-4', epochs: 4 });
const { accuracy } = await model.evaluate(data.test);
console.log(JSON.stringify({ accuracy }));
`;

test('trains the digits through the TypeScript API, on WebAssembly', () => {
  writeFileSync(join(project, 'train.ts'), program);
  const options = '--module nodenext --moduleResolution nodenext --target es2022 --strict --types'.split(' ');
  const types = join(root, 'node_modules/@types');
  run(
    process.execPath,
    join(root, 'node_modules/typescript/bin/tsc'),
    ...options,
    'node',
    '--typeRoots',
    types,
    'train.ts',
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, ['train.js'], { cwd: project, encoding: 'utf8' });
  expect(`${stderr}${status}`).toMatch(/^the native kernels are not built.*build-native.*\n0$/);
  expect((JSON.parse(stdout) as { accuracy: number }).accuracy).toBeGreaterThan(0.8);
});

test('doctor says what is missing and how to get it', () => {
  const found = JSON.parse(subbit('doctor', '--json')) as { backends: { name: string; problem?: string }[] };
  expect(found.backends.find(({ name }) => name === 'wasm')?.problem).toBeUndefined();
  expect(found.backends.find(({ name }) => name === 'native')?.problem).toContain('npx subbit build-native');
  expect(subbit('doctor')).toMatch(/sharp +(\d|not installed; run: npm install sharp)/);
});

test('build-native finds every source, with every header that it includes', () => {
  const program = `import { kernelFiles, withHeaders } from './node_modules/subbit/scripts/kernel-sources.mjs';
    kernelFiles().flatMap(withHeaders);
    console.log(kernelFiles().length);`;
  const inClone = readdirSync(join(root, 'src/ops'), { recursive: true, encoding: 'utf8' });
  const sources = Number(run(process.execPath, '--input-type=module', '--eval', program));
  expect(sources).toBe(inClone.filter((file) => file.endsWith('.cc')).length);
  for (const file of ['build/generated/ops-table.cc', 'native/node.cc', 'scripts/build-native.mjs'])
    expect(existsSync(join(installed, file)), file).toBe(true);
});

// What `build-native` makes is what `npm run build` makes here; compiling it again would take minutes.
const addon = builtFile('native/subbit.node');
test.skipIf(addon === undefined)('a platform package serves where nothing was built', () => {
  const platformPackage = join(project, `node_modules/@subbit/native-${process.platform}-${process.arch}`);
  mkdirSync(platformPackage, { recursive: true });
  cpSync(addon!, join(platformPackage, 'subbit.node'));
  const found = JSON.parse(subbit('doctor', '--json')) as { backends: { name: string; file?: string }[] };
  expect(dirname(found.backends.find(({ name }) => name === 'native')!.file!)).toBe(platformPackage);
});
