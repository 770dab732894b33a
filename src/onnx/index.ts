/** From a trained run to an ONNX file. */
import { encodeOnnx } from '../formats/onnx-writer.js';
import { buildGraph, defineNetwork, type NetworkDefinition } from '../nn/network.js';
import { summarize } from '../nn/summary.js';
import type { Checkpoint } from '../train/checkpoint.js';
import type { RunDescription } from '../train/config.js';
import { exportOnnx, type OnnxExportOptions } from './export/export.js';

export { onnxDialects, opsets } from './export/export.js';

/** The bytes of the file. Its metadata say the preset, the classes and each layer's bits (W-A). */
export function onnxOfCheckpoint(
  checkpoint: Checkpoint,
  {
    network: definition,
    ...options
  }: Pick<OnnxExportOptions, 'dialect' | 'opset'> & {
    /** The checkpoint's own layers, when they are not a preset. */
    readonly network?: NetworkDefinition;
  },
): Uint8Array {
  const { network } = checkpoint.network as unknown as RunDescription;
  const { graph } = buildGraph(definition ?? defineNetwork(network), { batch: 1, training: false, seed: 0 });
  const contents = new Map(Object.entries(checkpoint.tensors).map(([name, { data }]) => [name, data]));
  const layers = summarize(graph).layers.filter(({ macs }) => macs > 0);
  const metadata = {
    preset: network.preset,
    bits: network.bits,
    classes: JSON.stringify(network.classes),
    layerBits: JSON.stringify(
      Object.fromEntries(
        layers.map(({ name, weightBits, activationBits }) => [name, `${weightBits}-${activationBits}`]),
      ),
    ),
  };
  return encodeOnnx(exportOnnx(graph, contents, { ...options, name: network.preset, metadata }));
}
