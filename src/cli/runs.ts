/** Reading a run folder back: its description and its trained network. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { halfFloat } from '../formats/half-float.js';
import { decodeNpz } from '../formats/npz.js';
import { decodeSafetensors, type StoredTensor } from '../formats/safetensors.js';
import { bestFile, type Checkpoint, findNewest, lastFile, loadCheckpoint } from '../train/checkpoint.js';
import { currentDescription, type RunDescription } from '../train/config.js';
import { type Naming, namingOf } from '../train/naming/index.js';
import { FormatError, UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';

const checkpointChoices: Readonly<Record<string, (run: string) => string>> = { last: lastFile, best: bestFile };

/** The checkpoint that --checkpoint names: 'last' (the newest good one), 'best', or a file. */
export function openCheckpoint(run: string, choice: string, note: (line: string) => void): Checkpoint {
  if (!existsSync(run))
    throw new UsageError(`there is no run '${run}'; train one with: subbit train PRESET --out ${run}`);
  if (choice === 'last') {
    const { found, skipped } = findNewest(run);
    for (const { why } of skipped) note(`skipped a damaged checkpoint: ${why}`);
    if (found === undefined)
      throw new UsageError(`'${run}' holds no checkpoint that can be read; is it the folder of a run?`);
    return found.checkpoint;
  }
  if (existsSync(choice)) return loadCheckpoint(choice);
  return loadCheckpoint(lookUp(checkpointChoices, choice, 'checkpoint')(run));
}

/** What a training may start from. */
export interface Weights {
  readonly tensors: Checkpoint['tensors'];
  /** How many classes they are for, where that is known. */
  readonly classes?: number;
  /** Whose names the tensors have, when not ours, and the file that they are from. */
  readonly foreign?: { readonly naming: Naming; readonly file: string };
}

export function weightsOf(checkpoint: Checkpoint): Weights {
  return { tensors: checkpoint.tensors, classes: descriptionOf(checkpoint).network.classes.length };
}

/** The weights that --init names: of a run, or of a file by our names or another framework's. */
export function openWeights(path: string, note: (line: string) => void): Weights {
  if (!existsSync(path) || statSync(path).isDirectory()) return weightsOf(openCheckpoint(path, 'last', note));
  if (/\.(pth?|bin|ckpt)$/.test(path)) {
    throw new UsageError(
      `'${path}' is taken for a pickle, which runs what is in it; save it with: safetensors.torch.save_file(model.state_dict(), FILE)`,
    );
  }
  const bytes = readFileSync(path);
  const { tensors, metadata } = path.endsWith('.npz')
    ? { tensors: decodeNpz(bytes, path), metadata: {} }
    : decodeSafetensors(bytes, path);
  const naming = namingOf(Object.keys(tensors));
  const converted = Object.entries(tensors)
    .filter(([name]) => !naming?.isIgnored(name))
    .map(([name, tensor]) => [name, asComputedWith(path, name, tensor)] as const);
  const classes = classesIn(metadata);
  return {
    tensors: Object.fromEntries(converted),
    ...(classes === undefined ? {} : { classes }),
    ...(naming && { foreign: { naming, file: path } }),
  };
}

/** Half and double precision as float32; other types that subbit does not compute with are refused. */
function asComputedWith(path: string, name: string, { dtype, shape, data }: StoredTensor): Weights['tensors'][string] {
  if (['F32', 'U8', 'I16', 'I32'].includes(dtype)) return { shape, data };
  const bytes = new Uint8Array(data as Uint8Array).buffer;
  if (dtype === 'F64') return { shape, data: Float32Array.from(new Float64Array(bytes)) };
  if (dtype === 'F16') return { shape, data: Float32Array.from(new Uint16Array(bytes), halfFloat) };
  // The upper half of a float32.
  if (dtype === 'BF16')
    return { shape, data: new Float32Array(Uint32Array.from(new Uint16Array(bytes), (half) => half << 16).buffer) };
  throw new FormatError(`'${path}': the tensor '${name}' has the type ${dtype}; weights are F32, F16, BF16 or F64`);
}

function classesIn({ network }: Readonly<Record<string, string>>): number | undefined {
  try {
    const { classes } = JSON.parse(network ?? '') as { classes?: unknown };
    return Array.isArray(classes) ? classes.length : undefined;
  } catch {
    return undefined;
  }
}

export function descriptionOf(checkpoint: Checkpoint): RunDescription {
  return currentDescription(checkpoint.network, 'the description in the checkpoint');
}

export function requireSameClasses(data: readonly string[], network: readonly string[]): void {
  if (data.length !== network.length) {
    throw new UsageError(
      `the data has ${data.length} classes and the network ${network.length}; give the data set it was trained on`,
    );
  }
}
