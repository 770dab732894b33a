import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { dataForms, datasetKinds, datasets, openData } from './index.js';

const root = mkdtempSync(join(tmpdir(), 'subbit-data-'));
afterAll(() => rmSync(root, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

async function failure(nameOrPath: string): Promise<Error> {
  return openData(nameOrPath, { download: false }).then(
    () => expect.unreachable(),
    (error) => error,
  );
}

test('each kind has the name it is listed under', async () => {
  const kinds = await datasetKinds();
  expect(kinds.map((kind) => kind.name)).toEqual(Object.keys({ ...datasets, ...dataForms }));
  for (const { published } of kinds)
    if (published) expect(published.numClasses).toBe(published.folders?.includes('cifar100') ? 100 : 10);
});

test('digits opens by name, with the counts its kind promises', async () => {
  const [kind] = await datasetKinds();
  const { train, test: held } = await openData('digits');
  expect({ train: train.count, test: held.count }).toEqual(kind!.published!.splits);
  expect([train.height, train.width, train.channels]).toEqual(kind!.published!.shape);
});

test('an unknown name gets the nearest', async () => {
  const error = await failure('fashon-mnist');
  expect(error).toBeInstanceOf(UsageError);
  expect(error.message).toContain("did you mean 'fashion-mnist'?");
});

test('a known set that is absent says which files to put where', async () => {
  vi.stubEnv('SUBBIT_DATA', root);
  vi.stubEnv('HOME', root);
  const error = await failure('cifar10');
  expect(error).toBeInstanceOf(SubbitError);
  expect(error.message).toContain('data_batch_1.bin');
  expect(error.message).toContain(join(root, 'cifar10'));
});

test('a directory that does not exist, or holds something else, is named', async () => {
  expect((await failure('./no/such')).message).toBe("there is no file or folder './no/such'");
  const error = await failure(root);
  expect(error).toBeInstanceOf(UsageError);
  expect(error.message).toMatch(/holds none of .*mnist.*cifar10/);
});

test('a named set is looked for in $SUBBIT_DATA, a path by its content', async () => {
  const directory = join(root, 'cifar10', 'cifar-10-batches-bin');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'data_batch_1.bin'), 'short');
  vi.stubEnv('SUBBIT_DATA', root);
  for (const nameOrPath of ['cifar10', directory, join(root, 'cifar10')]) {
    const error = await failure(nameOrPath);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toContain(directory);
  }
});
