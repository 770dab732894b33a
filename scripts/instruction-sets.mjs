/** The instruction sets of native builds: what the processor must have for each, and the compiler options. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** By architecture, the best first. `needs`: names as in /proc/cpuinfo. native/abi.cc asks the same at run time. */
const setsOf = {
  x64: {
    avx512: {
      needs: 'avx512f avx512bw avx512vl avx512dq avx512vbmi avx512_vnni avx512_bitalg avx512_vpopcntdq avx2 fma',
      options: [
        ...['f', 'bw', 'vl', 'dq', 'vbmi', 'vnni', 'bitalg', 'vpopcntdq'].map((name) => `-mavx512${name}`),
        '-mavx2',
        '-mfma',
        '-mprefer-vector-width=512',
      ],
    },
    avx2: { needs: 'avx2 fma', options: ['-mavx2', '-mfma', '-mpopcnt'] },
    portable: { needs: '', options: [] },
  },
  arm64: {
    'neon-dotprod': { needs: 'asimddp', options: ['-march=armv8.2-a+dotprod'] },
    neon: { needs: '', options: [] },
    // Without the vectors that every such processor has, it shows what the plain code does.
    portable: { needs: '', options: ['-march=armv8-a+nosimd'] },
  },
};

/** What the processor has, in the words of /proc/cpuinfo. */
function processorFeatures() {
  if (process.platform === 'linux') {
    const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
    return new Set(flags?.[1].trim().split(/\s+/));
  }
  if (process.platform !== 'darwin') return new Set();
  const sysctl = (...names) => spawnSync('sysctl', ['-n', ...names], { encoding: 'utf8' }).stdout.trim();
  if (process.arch === 'arm64') return new Set(sysctl('hw.optional.arm.FEAT_DotProd') === '1' ? ['asimddp'] : []);
  const linuxName = (name) => name.toLowerCase().replace(/^avx512(vnni|bitalg|vpopcntdq)$/, 'avx512_$1');
  const names = sysctl('machdep.cpu.features', 'machdep.cpu.leaf7_features');
  return new Set(names.split(/\s+/).map(linuxName));
}

const optionsOf = (sets) => Object.fromEntries(sets.map(([isa, { options }]) => [isa, options]));

/** Compiler options by set: those that this machine can run. */
export function setsOfThisMachine() {
  const sets = Object.entries(setsOf[process.arch] ?? { portable: { needs: '', options: [] } });
  const has = processorFeatures();
  return optionsOf(sets.filter(([, { needs }]) => needs === '' || needs.split(' ').every((name) => has.has(name))));
}

/** The same, all that an architecture has. */
export const allSetsOf = (architecture) => optionsOf(Object.entries(setsOf[architecture]));
