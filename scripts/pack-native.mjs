/**
 * Makes the optional package with the native kernels of this platform, ready for `npm publish`:
 *
 *     node scripts/pack-native.mjs        ->  build/packages/native-PLATFORM-ARCHITECTURE/
 *
 * It holds every instruction set of the architecture; the best that a machine has is chosen there. subbit's own package.json
 * gets it as an optional dependency of the same version when it is published; npm then installs the one that fits.
 */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile, root } from './kernel-sources.mjs';
import { run } from './setup.mjs';

run(process.execPath, [join(root, 'scripts', 'build-native.mjs'), '--require-compiler', '--all-sets']);

const { platform, arch } = process;
const name = `native-${platform}-${arch}`;
const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folder = join(root, 'build', 'packages', name);
const description = {
  name: `@subbit/${name}`,
  version,
  description: `The native kernels of subbit for ${platform} on ${arch}.`,
  license,
  os: [platform],
  cpu: [arch],
  // Linked against this machine's C library.
  ...(platform === 'linux' ? { libc: [process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'] } : {}),
  files: ['subbit.node'],
};
replaceFile(join(folder, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);
replaceFile(
  join(folder, 'README.md'),
  `The native kernels of [subbit](https://www.npmjs.com/package/subbit) ${version}; installed with it.\n`,
);
copyFileSync(join(root, 'build', 'all-sets', 'subbit.node'), join(folder, 'subbit.node'));
copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
console.log(folder);
