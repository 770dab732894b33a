/**
 * ONNX's own tests of single operators, as node_tests.py writes them, on the importer. It knows images and rows of features, one at a time, and
 * constants; so a case runs with its first input computed and the others computed or constant, and with all constant, whichever of these the importer
 * takes, and passes when there is one and all give what is expected. A batch goes through sample by sample. A leading 1 makes an image
 * of three axes and a row of one, which operators on single elements do not notice.
 *
 * Numbers may differ by 2e-6 of the largest one. Integers of QuantizeLinear are compared behind a DequantizeLinear, the logits of a Softmax
 * behind a softmax.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Plan, Variables } from '../../src/backends/plan.js';
import { createReference } from '../../src/backends/reference.js';
import { real, sizeOf } from '../../src/core/tensor.js';
import type { OnnxModel, OnnxTensor } from '../../src/formats/onnx-model.js';
import { decodeOnnx } from '../../src/formats/onnx-reader.js';
import { constantOf, permuted } from '../../src/onnx/import/constants.js';
import { type Imported, Importer } from '../../src/onnx/import/importer.js';
import { importNode } from '../../src/onnx/import/index.js';
import { operators } from '../../src/onnx/import/operators.js';
import { SubbitError } from '../../src/util/errors.js';

/** The standard operators that the importer knows. */
export const operatorNames: readonly string[] = Object.keys(operators).filter((name) => !name.includes('.'));

export interface NodeTestResult {
  readonly status: 'passed' | 'passed as constants' | 'refused' | 'failed';
  /** Of what is refused or failed. */
  readonly reason?: string;
}

/** Which inputs the image decides; the others are constants. */
type Variant = 'all' | 'first' | 'none';

const elementwise: ReadonlySet<string> = new Set([
  ...['Abs', 'Add', 'Cast', 'Clip', 'Div', 'Dropout', 'Greater', 'Identity', 'LeakyRelu', 'Min', 'Mul', 'PRelu'],
  ...['QuantizeLinear', 'Relu', 'Sub'],
]);

/** Names of the case and of the node say nothing new; element types are ONNX's numbers. */
const shortened = [
  /^.*?'[^']*'(?:: | cannot be read: '[^']*' has )|, which subbit does not know$| (?:is|are) not supported$/g,
  '',
] as const;

interface Case {
  readonly model: OnnxModel;
  readonly inputs: readonly OnnxTensor[];
  readonly expected: OnnxTensor;
}

export function runNodeTest(folder: string, name: string): NodeTestResult {
  const found = (['all', 'first', 'none'] as const).map((variant) => {
    try {
      const given = readCase(folder, name);
      const message = differenceOf(given, variant);
      return message === undefined ? { variant, isGood: true } : { variant, message };
    } catch (error) {
      if (!(error instanceof SubbitError)) return { variant, message: String((error as Error).stack) };
      return { variant, refusal: error.message };
    }
  });
  const failed = found.find(({ message }) => message !== undefined);
  if (failed !== undefined) return { status: 'failed', reason: `${failed.variant}: ${failed.message}` };
  const good = found.filter(({ isGood }) => isGood);
  if (good.length === 0) return { status: 'refused', reason: found[1]!.refusal!.replace(...shortened) };
  return { status: good.every(({ variant }) => variant === 'none') ? 'passed as constants' : 'passed' };
}

function readCase(folder: string, name: string): Case {
  const [file, dataFile] = [`${name}.onnx`, `${name}.data.onnx`].map((each) => join(folder, each)) as [string, string];
  const model = decodeOnnx(readFileSync(file), { name });
  if (!existsSync(dataFile)) throw new SubbitError('sequences');
  if (model.nodes[0]!.outputs.filter((output) => output !== '').length > 1) throw new SubbitError('a second output');
  const { initializers } = decodeOnnx(readFileSync(dataFile), { name });
  return { model, inputs: model.inputs.map((_, i) => initializers[`in${i}`]!), expected: initializers.out0! };
}

/** What is wrong with the result; undefined when it is as expected. Throws what the importer throws. */
function differenceOf({ model, inputs, expected }: Case, variant: Variant): string | undefined {
  const node = model.nodes[0]!;
  const computed = variant === 'all' ? inputs.length : variant === 'first' ? Math.min(1, inputs.length) : 0;
  const shapes = inputs.slice(0, computed).map((tensor) => imageShape(node.op, tensor));
  const importer = new Importer({ height: 1, width: 1, channels: 1 }, model.opset ?? 0);
  const tensors = new Map<string, Imported>();
  for (const [i, { name }] of model.inputs.entries()) {
    const shape = shapes[i];
    if (shape === undefined) tensors.set(name, { kind: 'constant', constant: constantOf(inputs[i]!) });
    else {
      const [, channels, height = 1, width = 1] = shape;
      const value = importer.graph.input(name, real([1, height, width, channels!]));
      tensors.set(name, { kind: 'computed', value, axes: shape.length === 2 ? 'NC' : 'NCHW' });
    }
  }
  importNode(importer, node, tensors);
  let result = tensors.get(node.outputs[0]!)!;
  let wanted: ArrayLike<number> = Array.from(expected.data as ArrayLike<number | bigint>, Number);
  if (result.kind === 'integers') {
    const back = { op: 'DequantizeLinear', inputs: [node.outputs[0]!, ...node.inputs.slice(1)], outputs: ['real'] };
    importNode(importer, back, tensors);
    const { step, zeroPoint } = result;
    wanted = Array.from(wanted, (each) => (each - zeroPoint) * step);
    result = tensors.get('real')!;
  }
  if (result.kind === 'constant') {
    if (result.constant.shape.join() !== expected.shape.join()) return `the shape [${result.constant.shape.join()}]`;
    return differenceBetween(result.constant.data, wanted);
  }
  const isSoftmax = result.kind === 'probabilities';
  const output = importer.real(result.kind === 'probabilities' ? result.source : result, node);
  importer.graph.output('result', output.value);
  const plan = new Plan(importer.graph, new Variables(createReference()));
  const samples = shapes[0]?.[0] ?? 1;
  const found: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    for (const [i, shape] of shapes.entries()) {
      if (shape[0] !== samples) throw new SubbitError('inputs with different batches');
      plan.tensor(model.inputs[i]!.name).set(channelsLast(inputs[i]!, shape, sample));
    }
    plan.run();
    const [, height, width, channels] = output.value.type.shape as [number, number, number, number];
    const image = output.image ?? { height, width, channels };
    const data = Float64Array.from(plan.tensor('result'));
    const numbers = permuted({ shape: [image.height, image.width, image.channels], data }, [2, 0, 1]).data;
    found.push(...(isSoftmax ? softmax(numbers) : numbers));
  }
  return differenceBetween(found, wanted);
}

/** [N, C, H, W] or [N, C] of an input that is computed. */
function imageShape(op: string, { shape, type }: OnnxTensor): readonly number[] {
  if (type !== 'float32') throw new SubbitError(`elements of type ${type}`);
  if (shape.length === 4 || shape.length === 2) return shape;
  if (elementwise.has(op) && (shape.length === 3 || shape.length === 1)) return [1, ...shape];
  throw new SubbitError(`axes: ${shape.length}`);
}

function channelsLast({ data }: OnnxTensor, [, ...shape]: readonly number[], sample: number): Float64Array {
  const [channels, height = 1, width = 1] = shape as [number, ...number[]];
  const size = sizeOf(shape);
  const own = Float64Array.from(data.subarray(sample * size, (sample + 1) * size) as Float32Array);
  return permuted({ shape: [channels, height, width], data: own }, [1, 2, 0]).data;
}

function softmax(logits: Float64Array): Float64Array {
  const most = Math.max(...logits);
  const powers = logits.map((each) => Math.exp(each - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((each) => each / sum);
}

function differenceBetween(found: ArrayLike<number>, wanted: ArrayLike<number>): string | undefined {
  if (found.length !== wanted.length) return `${found.length} numbers in place of ${wanted.length}`;
  const finite = Array.from(wanted).filter(Number.isFinite);
  const largest = finite.reduce((most, each) => Math.max(most, Math.abs(each)), 1e-3);
  for (let i = 0; i < found.length; i++)
    if (!Object.is(found[i], wanted[i]) && !(Math.abs(found[i]! - wanted[i]!) <= 2e-6 * largest))
      return `${found[i]} in place of ${wanted[i]} at ${i}`;
  return undefined;
}

/** ONNX's names of element types that subbit does not know. */
const elementTypeNames: Readonly<Record<string, string>> = {
  ...{
    0: 'none (sequences)',
    10: 'float16',
    13: 'uint64',
    16: 'bfloat16',
    17: 'float8',
    18: 'float8',
    19: 'float8',
    20: 'float8',
  },
  ...{ 23: 'float4', 24: 'float8' },
};

/** A row of Markdown for an operator: its cases, those that pass, and why others are refused. */
export function nodeTestRow(op: string, results: readonly NodeTestResult[]): string {
  const count = (wanted: NodeTestResult['status']): number => results.filter(({ status }) => status === wanted).length;
  const constants = count('passed as constants');
  const passed = count('passed') + constants;
  // Reasons that differ in a type, an axis or a shape are one.
  const reasons = new Map<string, { times: number; readonly values: Set<string> }>();
  for (const { status, reason } of results) {
    if (status !== 'refused') continue;
    const [, what, value] =
      /^(elements of type|the axis|a constant of shape|axes:|.*? of shape) (.+)$/.exec(reason!) ?? [];
    const group = reasons.get(what ?? reason!) ?? { times: 0, values: new Set() };
    if (value !== undefined) group.values.add((what === 'elements of type' && elementTypeNames[value]) || value);
    group.times++;
    reasons.set(what ?? reason!, group);
  }
  const refusals = [...reasons]
    .sort((a, b) => b[1].times - a[1].times)
    .map(([reason, { times, values }]) => `${times} ${reason}${values.size > 0 ? ` ${[...values].join(', ')}` : ''}`);
  const ofThem = constants === 0 ? '' : ` (${constants} as constants)`;
  return `| ${op} | ${results.length} | ${passed}${ofThem} | ${refusals.join('; ').replaceAll('|', '\\|')} |`;
}
