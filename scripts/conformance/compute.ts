/** What subbit computes for the conformance checks (conformance.mjs): predictions of runs, logits of imported models and of presets. */
import { readFileSync } from 'node:fs';
import { Plan, Variables } from '../../src/backends/plan.js';
import { createReference } from '../../src/backends/reference.js';
import { sizeOf } from '../../src/core/tensor.js';
import { openData, prepareDataset } from '../../src/data/index.js';
import { deployGraph } from '../../src/deploy/index.js';
import { decodeOnnx } from '../../src/formats/onnx-reader.js';
import { encodeSafetensors } from '../../src/formats/safetensors.js';
import { checked } from '../../src/formats/subbit.js';
import { buildGraph, defineNetwork } from '../../src/nn/network.js';
import { importOnnx } from '../../src/onnx/import/index.js';
import { trainableOnnx, withStatistics } from '../../src/onnx/trainable/index.js';
import { DeployedModel } from '../../src/runtime/model.js';
import { findNewest } from '../../src/train/checkpoint.js';
import { fillVariables } from '../../src/train/fill-variables.js';
import { Model } from '../../src/train/model.js';
import { namingsOut, toForeign } from '../../src/train/naming/index.js';
import { EvaluationSession } from '../../src/train/session.js';
import { Philox } from '../../src/util/philox.js';

/** Classes that the network of a run gives to the test images, with their bytes. */
export async function predictionsOf(run: string, source: string): Promise<{ images: Uint8Array; classes: Int32Array }> {
  const model = new Model(createReference(), findNewest(run).found!.checkpoint);
  const { test } = prepareDataset(await openData(source), model.input);
  const classes = Int32Array.from(await model.predict(test.images), ({ label }) => label);
  return { images: Uint8Array.from(test.images), classes };
}

/**
 * Logits of the network that `train --from` makes of an ONNX model, before any step, in floats; images as for `logitsOf`. `layers`: its layers
 * with weights.
 */
export async function trainableLogitsOf(
  file: string,
  images: Uint8Array,
): Promise<{ logits: Float32Array; layers: readonly string[] }> {
  const network = trainableOnnx('imported', decodeOnnx(readFileSync(file), { name: file }));
  const classes = Array.from({ length: network.classes }, (_, i) => String(i));
  const { json, zeroPoints, step } = network;
  const definition = defineNetwork({
    ...{ preset: 'imported', model: { json }, bits: '32-32-32', classes, zeroPoints, step },
  });
  const { height, width, channels } = network.preset.input;
  const batch = images.length / (height * width * channels);
  const tensors = await withStatistics(createReference(), definition, {
    ...{ tensors: network.tensors, names: network.unmeasured, images },
  });
  const session = new EvaluationSession(createReference(), definition, { batch });
  fillVariables(session.variables, tensors);
  await session.evaluate(images, [], batch);
  const layers = Object.keys(tensors).filter((name) => name.endsWith('/filter'));
  return { logits: session.plan.tensor('logits') as Float32Array, layers };
}

export interface ImportedLogits {
  /** Of the imported graph, in floats. */
  readonly graph: Float32Array;
  /** Of the deployed network, in real numbers. */
  readonly deployed: Float32Array;
}

/** Logits of an ONNX model for images [N, H, W, C] in bytes, which stand for bytes / 255. */
export async function logitsOf(file: string, images: Uint8Array): Promise<ImportedLogits> {
  const { graph, input, classes } = importOnnx(decodeOnnx(readFileSync(file), { name: file }));
  const bytes = input.height * input.width * input.channels;
  const plan = new Plan(graph, new Variables(createReference()));
  const found = new Float32Array((images.length / bytes) * classes.length);
  for (let i = 0; i * bytes < images.length; i++) {
    plan.tensor('images').set(images.subarray(i * bytes, (i + 1) * bytes));
    plan.run();
    found.set(plan.tensor('logits') as Float32Array, i * classes.length);
  }
  const { network } = deployGraph(graph, new Map(), { classes, origin: {} });
  const model = new DeployedModel(createReference(), checked(network));
  return { graph: found, deployed: Float32Array.from(await model.run(images), (integer) => integer * model.step) };
}

/** A preset of real numbers with random parameters, as a file by PyTorch's names, and its logits for two images. */
export async function presetInPytorch(preset: string): Promise<{
  readonly file: Uint8Array;
  readonly images: Uint8Array;
  readonly logits: Float32Array;
  readonly zeroPoints: readonly number[];
  readonly step: number;
}> {
  const classes = Array.from({ length: 10 }, (_, i) => String(i));
  const normalisation = { zeroPoints: [125, 123, 114], step: 1 / 63 };
  const network = defineNetwork({ preset, bits: '32-32-32', classes, ...normalisation });
  const { graph } = buildGraph(network, { batch: 1, training: false, seed: 1 });
  const random = new Philox(1, 'conformance');
  const tensors = Object.fromEntries(
    [...graph.variables].map(([name, { value, initialize }]) => {
      const data = new Float32Array(sizeOf(value.type.shape));
      initialize(data);
      // Statistics, slopes and biases of a trained network are not those that it began with.
      if (value.type.shape.length === 1) for (let i = 0; i < data.length; i++) data[i]! += 0.4 * random.next();
      return [name, { shape: value.type.shape, data }];
    }),
  );
  const images = Uint8Array.from({ length: 2 * 32 * 32 * 3 }, (_, i) => (i * 7919) % 256);
  const session = new EvaluationSession(createReference(), network, { batch: 2 });
  fillVariables(session.variables, tensors);
  await session.evaluate(images, [0, 0], 2);
  const logits = Float32Array.from(session.plan.tensor('logits'));
  const file = encodeSafetensors(toForeign(namingsOut.pytorch!, tensors, graph, preset));
  return { file, images, logits, ...normalisation };
}
