/**
 * Cases of a kernel family: geometries that meet every edge of the tiles, every pair of bit-widths that it takes, every
 * epilogue. All exact.
 */
import type { AnyOp } from '../../core/op.js';
import { type CaseInput, type Content, evaluate, input, integers, type OpCase, opCase } from '../../core/op-case.js';
import { arrayOf, integer, maxLevel, quantized, sizeOf, type TensorType } from '../../core/tensor.js';
import { codewordTaps, numCodewords, writeCodeword } from '../codewords.js';
import { neverDown, neverUp } from '../integer/threshold.js';
import { type Family, families, takes, type WeightKind } from './families.js';
import { geometries } from './geometries.cases.js';
import { guidedThresholds } from './linear-fit.js';
import type { Epilogue, EpilogueKind } from './packed-conv2d.js';

interface Setting {
  readonly weightBits: number;
  readonly activationBits: number;
  readonly epilogue: EpilogueKind;
  /** x = xMultiplier * q - offset. @default 1 */
  readonly xMultiplier?: number;
  readonly hasOffsets?: boolean;
  readonly hasResidual?: boolean;
  readonly levels?: number;
  /** All levels as large as they can be. */
  readonly isFull?: boolean;
  /** Some output channels turned; codebook only. */
  readonly hasSigns?: boolean;
  /** Weights are levels about a zero, not bipolar. */
  readonly hasZero?: boolean;
}

function caseOf({ family, tableInputs = 0, codewords }: FamilyCases, geometryName: string, setting: Setting): OpCase {
  const {
    x: xShape,
    outChannels,
    filter,
    stride = 1,
    dilation = 1,
    groups = 1,
    pad = [0, 0],
    out,
  } = geometries[geometryName]!;
  const {
    weightBits,
    activationBits,
    epilogue: kind,
    xMultiplier = 1,
    levels = 3,
    isFull = false,
    hasSigns = false,
    hasZero = false,
  } = setting;
  const attributes = {
    ...{ stride, dilation, groups, padTop: pad[0], padLeft: pad[1], outHeight: out[0], outWidth: out[1] },
    filterShape: [...filter, xShape[3] / groups, outChannels],
    ...family.factorsOf(weightKind(weightBits, hasZero), xMultiplier),
    ...{ weightBits, activationBits, tableInputs },
  };
  const filterType = filterTypeOf(attributes.filterShape, weightBits, hasZero);
  const packed = family.pack.infer([filterType], attributes)[0]!;
  // The accumulators' usual size, so that thresholds and factors fall among them.
  const terms = sizeOf([...filter, xShape[3] / groups]);
  const spread = Math.ceil(
    Math.sqrt(terms) * xMultiplier * maxLevel(activationBits) * maxLevel(Math.min(weightBits, 15)) * 0.5,
  );
  const { constants, epilogue } = epilogueCase(kind, outChannels, levels, spread);
  const yShape = [xShape[0], ...out, outChannels];
  const offsetRows = filter[0] * filter[1];
  const inputs: (CaseInput | undefined)[] = [
    input(
      quantized(xShape, { kind: 'levels', max: maxLevel(activationBits), step: 1 }),
      integers(isFull ? maxLevel(activationBits) : 0, maxLevel(activationBits)),
    ),
    input(packed, (data, random) => {
      const stored = arrayOf(filterType);
      const largest = maxLevel(weightBits);
      const content = isFull ? integers(largest, largest) : filterContent(filterType, codewords);
      content(stored, random, []);
      const signs = hasSigns ? Uint8Array.from({ length: outChannels }, () => random.nextInt(2)) : undefined;
      data.set(evaluate(family.pack as AnyOp, [filterType], attributes, [stored, signs]).packed!);
    }),
    setting.hasOffsets
      ? input({ dtype: 'i32', shape: [offsetRows + 1, outChannels] }, borderTerm(offsetRows, outChannels, spread))
      : undefined,
    constants,
    setting.hasResidual ? input({ dtype: 'i32', shape: yShape }, integers(-(2 ** 20), 2 ** 20)) : undefined,
  ];
  const options = [
    setting.hasOffsets && 'offsets',
    setting.hasResidual && 'residual',
    hasSigns && 'signs',
    hasZero && 'weights about a zero',
    xMultiplier === 2 && 'bipolar x',
    isFull && 'largest sums',
  ];
  const variant = variantOf({ tableInputs, codewords });
  const bits = `${weightBits}-${activationBits}`;
  const name = [bits, geometryName, kind, ...options.filter(Boolean), ...variant].join(', ');
  return opCase(family.conv, name, inputs, { ...attributes, epilogue });
}

const weightKind = (weightBits: number, hasZero: boolean): WeightKind =>
  hasZero ? { weightBits, zeroPoint: 2 ** (weightBits - 1) } : { weightBits };

/** The filter of `weightBits` before it is packed: bipolar levels or levels about a zero, or i16 for 16. */
function filterTypeOf(shape: readonly number[], weightBits: number, hasZero = false): TensorType {
  if (hasZero)
    return quantized(shape, {
      kind: 'levels',
      max: maxLevel(weightBits),
      step: 1,
      zeroPoints: [2 ** (weightBits - 1)],
    });
  if (weightBits === 16) return integer(shape, 32767, { dtype: 'i16' });
  return quantized(shape, { kind: 'bipolar', max: maxLevel(weightBits), step: 1 });
}

const filterContent = ({ encoding }: TensorType, codewords: number | undefined): Content => {
  if (codewords !== undefined) return codewordContent(codewords);
  return encoding!.kind === 'integer' ? integers(-32768, 32767) : integers(0, encoding!.max);
};

/** 3x3 filters drawn from random codewords, with all weights +1 among them. */
const codewordContent =
  (count: number): Content =>
  (data, random) => {
    const codebook = [numCodewords - 1];
    while (codebook.length < count) codebook.push(random.nextInt(numCodewords));
    const channels = data.length / codewordTaps;
    for (let channel = 0; channel < channels; channel++)
      writeCodeword(data, channels, channel, codebook[random.nextInt(count)]!);
  };

const variantOf = ({ tableInputs = 0, codewords }: Pick<FamilyCases, 'tableInputs' | 'codewords'>): string[] => {
  if (codewords !== undefined) return [`${codewords} codewords`, ...(tableInputs === 2 ? ['in pairs'] : [])];
  return tableInputs === 0 ? [] : [`tables of ${tableInputs}`];
};

/** Rows of random numbers and their sum. */
function borderTerm(rows: number, channels: number, spread: number): Content {
  return (data, random) => {
    for (let c = 0; c < channels; c++) {
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const value = random.nextInt(2 * spread + 1) - spread;
        data[row * channels + c] = value;
        total += value;
      }
      data[rows * channels + c] = total;
    }
  };
}

function epilogueCase(
  kind: EpilogueKind,
  channels: number,
  levels: number,
  spread: number,
): { constants: CaseInput | undefined; epilogue: Epilogue } {
  const base = { kind, levels: 0, low: 0, high: 0, max: 2 ** 31 - 1, step: 1 };
  switch (kind) {
    case 'accumulators':
      return { constants: undefined, epilogue: base };
    case 'short accumulators':
      return { constants: undefined, epilogue: { ...base, max: 32767 } };
    case 'thresholds':
    case 'two-sided thresholds': {
      const rows = kind === 'thresholds' ? levels : 2 * levels;
      return {
        constants: input({ dtype: 'i32', shape: [rows, channels] }, thresholdRows(rows, channels, levels, spread)),
        epilogue: { ...base, levels },
      };
    }
    case 'guided': {
      // Evenly spaced thresholds, as a batch norm gives them; jittered, so that no line meets them all.
      const content: Content = (data, random) => {
        const up = new Int32Array(levels * channels);
        for (let c = 0; c < channels; c++) {
          const start = -spread + random.nextInt(spread);
          for (let j = 0; j < levels; j++) {
            up[j * channels + c] = Math.round(start + (3 * spread * (j + 0.3 * random.next())) / levels);
          }
        }
        data.set(guidedThresholds(up, channels, 2 ** 28)!);
      };
      const constants = input({ dtype: 'i32', shape: [2 + levels, channels] }, content);
      return { constants, epilogue: { ...base, levels } };
    }
    case 'linear': {
      const content: Content = (data, random) => {
        for (let c = 0; c < channels; c++) {
          data[c] = ((random.next() + 0.2) * levels) / spread;
          data[channels + c] = (random.next() - 0.3) * levels;
        }
      };
      return { constants: input({ dtype: 'f32', shape: [2, channels] }, content), epilogue: { ...base, levels } };
    }
    case 'stream': {
      const content: Content = (data, random) => {
        for (let c = 0; c < channels; c++) {
          data[c] = random.nextInt(131071) - 65535;
          data[channels + c] = random.nextInt(48);
          data[2 * channels + c] = random.nextInt(2001) - 1000;
        }
        data[channels] = 0;
      };
      const low = -(2 ** 28);
      return {
        constants: input({ dtype: 'i32', shape: [3, channels] }, content),
        epilogue: { ...base, low, high: 2 ** 28 },
      };
    }
  }
}

/** Rising thresholds of each channel (falling below the up rows); some are never reached, some always. */
function thresholdRows(rows: number, channels: number, levels: number, spread: number): Content {
  return (data, random) => {
    for (let c = 0; c < channels; c++) {
      const sorted = Array.from({ length: levels }, () => random.nextInt(2 * spread + 1) - spread).sort(
        (a, b) => a - b,
      );
      for (let j = 0; j < rows; j++) {
        const value = j < levels ? sorted[j]! : sorted[0]! - 1 - (j - levels);
        data[j * channels + c] =
          c % 7 === 6 ? (j < levels ? neverUp : neverDown) : c % 7 === 5 && j === 0 ? neverDown : value;
      }
    }
  };
}

interface FamilyCases {
  readonly family: Family;
  /** W, A of the two settings that every geometry runs with. */
  readonly usualBits: readonly [readonly [number, number], readonly [number, number]];
  /** Of tables and codebook. @default 0 */
  readonly tableInputs?: number;
  /** Of the codebook family: how many patterns filters are drawn from. */
  readonly codewords?: number;
}

const codebookCases = (codewords: number, tableInputs: number): FamilyCases => ({
  family: families.codebook,
  usualBits: [
    [1, 1],
    [1, 2],
  ],
  tableInputs,
  codewords,
});

const all: readonly FamilyCases[] = [
  {
    family: families.planes,
    usualBits: [
      [1, 1],
      [2, 2],
    ],
  },
  {
    family: families.tables,
    usualBits: [
      [1, 2],
      [1, 4],
    ],
    tableInputs: 6,
  },
  {
    family: families.tables,
    usualBits: [
      [1, 1],
      [2, 3],
    ],
    tableInputs: 4,
  },
  {
    family: families.dot,
    usualBits: [
      [4, 4],
      [8, 8],
    ],
  },
  codebookCases(64, 1),
  codebookCases(32, 1),
  codebookCases(16, 1),
  codebookCases(8, 2),
];

const widths = [1, 2, 3, 4, 5, 6, 7, 8];
const usualGeometries = ['same 3x3, prime sizes', 'same 3x3, 128 to 256', 'three odd groups', 'dense, many samples'];

const epilogueSettings: readonly Setting[] = [
  { weightBits: 1, activationBits: 2, epilogue: 'accumulators', hasOffsets: true },
  { weightBits: 1, activationBits: 1, epilogue: 'accumulators', hasOffsets: true, xMultiplier: 2 },
  { weightBits: 1, activationBits: 2, epilogue: 'short accumulators' },
  { weightBits: 1, activationBits: 4, epilogue: 'short accumulators', hasOffsets: true, xMultiplier: 2 },
  { weightBits: 1, activationBits: 1, epilogue: 'thresholds', levels: 1 },
  { weightBits: 1, activationBits: 2, epilogue: 'two-sided thresholds' },
  { weightBits: 1, activationBits: 2, epilogue: 'linear', levels: 7 },
  { weightBits: 4, activationBits: 4, epilogue: 'guided', levels: 31, hasOffsets: true },
  { weightBits: 8, activationBits: 8, epilogue: 'guided', levels: 255 },
  { weightBits: 1, activationBits: 4, epilogue: 'linear', levels: 255 },
  { weightBits: 1, activationBits: 2, epilogue: 'stream' },
  { weightBits: 1, activationBits: 2, epilogue: 'stream', hasResidual: true },
  { weightBits: 2, activationBits: 2, epilogue: 'stream', hasResidual: true, hasOffsets: true },
];

/** All cases of a family's fused op. */
function fusedCases(cases: FamilyCases): OpCase[] {
  const isTaken = (name: string, { weightBits, activationBits }: Pick<Setting, 'weightBits' | 'activationBits'>) => {
    const { x, outChannels, filter, groups = 1 } = geometries[name]!;
    const { codewords } = cases;
    return takes(cases.family, {
      ...{ weightBits, activationBits, groupInputs: x[3] / groups, groupOutputs: outChannels / groups },
      ...{ taps: filter[0] * filter[1], pixels: 1, ...(codewords && { codewords }) },
    });
  };
  const taken = (name: string, setting: Setting): OpCase[] =>
    isTaken(name, setting) ? [caseOf(cases, name, setting)] : [];
  const onEveryGeometry = Object.keys(geometries).flatMap((name) =>
    cases.usualBits.flatMap(([weightBits, activationBits]) => {
      const levels = Math.min(maxLevel(activationBits), 15);
      return taken(name, { weightBits, activationBits, epilogue: 'thresholds', levels });
    }),
  );
  const pairs = widths.flatMap((weightBits) => widths.map((activationBits) => ({ weightBits, activationBits })));
  const onEveryPair = pairs.flatMap((pair, i) =>
    taken(usualGeometries[i % usualGeometries.length]!, { ...pair, epilogue: 'accumulators' }),
  );
  const onEveryEpilogue = epilogueSettings.flatMap((setting) =>
    ['same 3x3, prime sizes', '3x3 stride 2', 'padding all around'].flatMap((name) => taken(name, setting)),
  );
  const signedSettings =
    cases.family.name === 'codebook' ? epilogueSettings.map((each) => ({ ...each, hasSigns: true })) : [];
  const onSigns = signedSettings.flatMap((setting) =>
    ['3x3 as large as the image', 'three odd groups', 'same 3x3, 2600 channels'].flatMap((name) =>
      taken(name, setting),
    ),
  );
  const largest = cases.usualBits.flatMap(([weightBits, activationBits]) =>
    ['same 3x3, 128 to 256', 'same 3x3, 2600 channels'].flatMap((name) =>
      taken(name, { weightBits, activationBits, epilogue: 'accumulators', isFull: true }),
    ),
  );
  const zeroSettings: readonly Setting[] = [
    ...(
      [
        [2, 1],
        [2, 2],
        [3, 4],
        [4, 4],
        [7, 8],
        [8, 8],
      ] as const
    ).map(([weightBits, activationBits]): Setting => ({ weightBits, activationBits, epilogue: 'accumulators' })),
    { weightBits: 2, activationBits: 2, epilogue: 'accumulators', isFull: true },
    ...epilogueSettings.map((each) => ({ ...each, weightBits: Math.max(2, each.weightBits) })),
  ];
  const onZeros = (cases.family.takesZeroPoints ? zeroSettings : []).flatMap((setting) =>
    ['same 3x3, prime sizes', 'same 3x3, 128 to 256', 'three odd groups'].flatMap((name) =>
      taken(name, { ...setting, hasZero: true }),
    ),
  );
  const wideGeometries = [
    '7x7 stride 2, three channels',
    'valid 3x3 on a long row',
    'same 3x3, one channel',
    'two groups 5x5',
  ];
  const wide = (cases.family.takesWide ? wideGeometries : []).map((name) =>
    caseOf(cases, name, { weightBits: 16, activationBits: 8, epilogue: 'thresholds', hasOffsets: true }),
  );
  const unique = new Map(
    [...onEveryGeometry, ...onEveryPair, ...onEveryEpilogue, ...onSigns, ...onZeros, ...largest, ...wide].map(
      (each) => [each.name, each],
    ),
  );
  return [...unique.values()];
}

/** All cases of a family's pack op: the layouts themselves. */
function packFilterCases({ family, tableInputs = 0, codewords }: FamilyCases): OpCase[] {
  const shapes: readonly [readonly number[], number][] = [
    [[1, 1, 1, 1], 1],
    [[3, 3, 64, 64], 1],
    [[3, 3, 37, 67], 1],
    [[1, 1, 515, 17], 1],
    [[5, 5, 24, 40], 2],
    [[3, 3, 1, 35], 35],
  ];
  const bits = (family.takesWide ? [...widths, 16] : widths).filter(
    (each) => each === 16 || each <= family.maxWeightBits,
  );
  const taken = codewords === undefined ? shapes : shapes.filter(([[height, width]]) => height === 3 && width === 3);
  const kinds = bits.flatMap((weightBits) =>
    (family.takesZeroPoints && weightBits <= 8 ? [false, true] : [false]).map((hasZero) => ({ weightBits, hasZero })),
  );
  return taken.flatMap(([shape, groups]) =>
    kinds.map(({ weightBits, hasZero }) => {
      const type = filterTypeOf(shape, weightBits, hasZero);
      const variant = variantOf({ tableInputs, codewords });
      const about = hasZero ? ['about a zero'] : [];
      const name = [`${weightBits} bits`, ...about, shape.join('x'), `${groups} groups`, ...variant].join(', ');
      const filter = input(type, filterContent(type, codewords));
      const signs = input(quantized([shape[3]!], { kind: 'bipolar', max: 1, step: 1 }), integers(0, 1));
      const inputs = codewords === undefined ? [filter] : [filter, signs];
      return opCase(family.pack, name, inputs, { groups, weightBits, tableInputs });
    }),
  );
}

export const packedConv2dCases: readonly OpCase[] = all.flatMap((cases) => [
  ...packFilterCases(cases),
  ...fusedCases(cases),
]);
