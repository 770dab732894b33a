/**
 * From an ONNX model to a network that trains: its layers in JSON, which stand whole in `run.json` and in checkpoints as those of any model of
 * the user's own, and its parameters, from which the training starts. Everything that reads runs works on it.
 */
import type { Encoding } from '../../core/tensor.js';
import type { OnnxModel } from '../../formats/onnx-model.js';
import { presetOfJson } from '../../nn/models/model-json.js';
import type { Preset } from '../../nn/models/preset.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { SubbitError } from '../../util/errors.js';
import { type ImportOptions, importOnnx } from '../import/index.js';
import { convertLayers } from './layers.js';

export { withStatistics } from './statistics.js';

export interface TrainableNetwork {
  /** Of nn/models/model-json.ts. */
  readonly json: unknown;
  readonly preset: Preset;
  readonly tensors: Checkpoint['tensors'];
  /** How many there are. */
  readonly classes: number;
  /** Of the image's bytes: (byte - zeroPoints[c]) * step. */
  readonly zeroPoints: readonly number[];
  readonly step: number;
  /** Batch norms whose statistics `withStatistics` measures; until then they are 0 and 1. */
  readonly unmeasured: readonly string[];
  /** Layers with weights whose input stays real at any bits, because it may be negative. */
  readonly unbounded: readonly string[];
}

/** `name`: of the preset that the network is. Throws a SubbitError that names the node which cannot be read, or trained. */
export function trainableOnnx(name: string, model: OnnxModel, options: ImportOptions = {}): TrainableNetwork {
  const { graph, input, classes } = importOnnx(model, options);
  const images = graph.inputs.get('images');
  if (images === undefined) throw new SubbitError(`the model '${model.name}' computes nothing of its image`);
  const { layers, tensors, unmeasured, unbounded } = convertLayers(graph, images);
  const json = { input, layers };
  const { step, zeroPoints = [0] } = images.type.encoding as Encoding;
  return {
    ...{ json, preset: presetOfJson(name, json), tensors, classes: classes.length, step, unmeasured, unbounded },
    zeroPoints: Array.from({ length: input.channels }, (_, c) => zeroPoints[zeroPoints.length === 1 ? 0 : c]!),
  };
}
