/**
 * Deploy rounding: an evaluation graph becomes one whose products, residual streams and last layers are integer. This step is
 * inexact where the network was float, and only there; `lower` then turns what is left of real arithmetic into thresholds
 * without changing a bit.
 *
 * - A quantized convolution is already integer: `integer-conv2d`, and a `dequantize` that yields the same real numbers.
 * - A float filter (first and last layer) is rounded to 16-bit integers with one scale, or to as many bits as keep the
 *   accumulator's static bound below 2^31.
 * - A float layer's input that is bounded (clip, cabs) is rounded to 8 bits. What is not bounded (relu before global average
 *   and last layer) becomes fixed point, clamped 8 standard deviations above the mean as its batch norm states them.
 * - Residual streams are i32 fixed point with one step for the network: the finest that neither overflows (by static bounds)
 *   nor asks for a multiplier of more than 16 bits. RPReLU of a stream is rescalings of it (stream-rprelu.ts),
 *   and relu one that is clamped at 0.
 *
 * While the graph is walked, a real value is a Pending: an integer value of the new graph, its scale, and the chain of real
 * nodes that were applied to it since. What consumes it decides what becomes of the chain.
 */
import { Graph, type Node, type Value } from '../core/graph.js';
import { runOp, type Tensor } from '../core/run-op.js';
import { largestInteger, real, stepOf, type TypedArray } from '../core/tensor.js';
import { activate } from '../ops/activation/activation.js';
import { batchNormalize } from '../ops/batch-norm/batch-norm.js';
import { concat } from '../ops/concat/concat.js';
import { conv2d } from '../ops/conv2d/conv2d.js';
import { add, addBias } from '../ops/elementwise/elementwise.js';
import { integerAdd } from '../ops/integer/integer-add.js';
import { maxMultiplier } from '../ops/integer/rescale.js';
import { integerConv2d } from '../ops/integer-conv2d/integer-conv2d.js';
import { averagePool } from '../ops/pool/average-pool.js';
import { dequantize, quantizeUnit } from '../ops/quantize/activations.js';
import { quantizeScaled } from '../ops/quantize/learned.js';
import { quantizeSign } from '../ops/quantize/weights.js';
import { rprelu } from '../ops/rprelu/rprelu.js';
import { prune } from '../passes/prune.js';
import { SubbitError } from '../util/errors.js';
import { accumulatorsIn } from './accumulators.js';
import {
  type Affine,
  affineOf,
  appended,
  clampOf,
  type Pending,
  rangeOf,
  stepOfClasses,
  withoutRelu,
} from './affine.js';
import { beforeReshapes, isMove, moved } from './moves.js';
import { type Clamp, rescaled } from './rescaled.js';
import { roundFilter } from './round-filter.js';
import type { Rounding } from './rounding.js';
import { movedScale, multiplied } from './scales.js';
import { rpreluError, rpreluParts } from './stream-rprelu.js';
import { pixelsOfWindows, sumOfWindows } from './window-sums.js';

export interface RoundedNetwork {
  readonly graph: Graph;
  readonly roundings: readonly Rounding[];
}

/** Bits of what goes into a float layer when its activation is bounded. */
const inputBits = 8;
/** Largest integer of a clamped channel. */
const fixedPointMax = 32767;

/** `graph`: of evaluation, batch 1, output 'logits'; `contents`: its variables by name. A SubbitError names what cannot be deployed. */
export function roundNetwork(graph: Graph, contents: ReadonlyMap<string, TypedArray>): RoundedNetwork {
  // The first walk finds how large the streams can get; nothing else of it is used.
  const survey = new Rounder(graph, contents, undefined);
  const finest = Math.max(survey.streamBound / 2 ** 30, survey.largestFactor / maxMultiplier);
  const step = 2 ** Math.ceil(Math.log2(finest > 0 ? finest : 1));
  const rounder = new Rounder(graph, contents, { step, values: survey.streamed });
  return { graph: rounder.rounded, roundings: rounder.roundings };
}

/** Where residual streams lie. */
interface StreamGrid {
  /** Real units per integer. */
  readonly step: number;
  /** Real values that are put on the grid as soon as they are computed, so that everybody reads the stream. */
  readonly values: ReadonlySet<Value>;
}

class Rounder {
  readonly rounded = new Graph();
  readonly roundings: Rounding[] = [];
  /** The largest |real number| that a residual stream can hold, and the largest factor that is rescaled into one. */
  streamBound = 0;
  largestFactor = 0;
  /** Real values that an addition takes. */
  readonly streamed = new Set<Value>();
  readonly #grid: StreamGrid | undefined;
  readonly #constants = new Map<Value, Tensor>();
  readonly #levels = new Map<Value, Value>();
  readonly #pending = new Map<Value, Pending>();
  readonly #accumulators: (x: Value) => Value;
  /** Values on the streams' grid, with the largest |real number| that each can hold. */
  readonly #streams = new Map<Value, number>();

  /** By op: what yields a real value. */
  readonly #computing: Readonly<Record<string, (node: Node) => Pending>> = {
    ...Object.fromEntries([addBias, batchNormalize, activate].map(({ name }) => [name, (node) => this.#append(node)])),
    [dequantize.name]: (node) => ({
      integer: this.#levelsOf(node)[0]!,
      scale: this.#scaleOf(node.inputs[1]),
      chain: [],
    }),
    [concat.name]: (node) => this.#joinStreams(node),
    [conv2d.name]: (node) => this.#convolve(node),
    [add.name]: (node) => this.#addStreams(node),
    [rprelu.name]: (node) => this.#applyRprelu(node),
    [averagePool.name]: (node) => this.#average(node),
  };

  /** Without a grid the integers of the result mean nothing: only the bounds of the streams are of use. */
  constructor(graph: Graph, contents: ReadonlyMap<string, TypedArray>, grid: StreamGrid | undefined) {
    this.#grid = grid;
    this.#accumulators = accumulatorsIn(this.rounded);
    const images = graph.inputs.get('images')!;
    this.#levels.set(images, this.rounded.input('images', images.type));
    for (const { value } of graph.variables.values()) {
      this.#constants.set(value, { type: value.type, data: contents.get(value.name)! });
    }
    for (const [value, data] of graph.constants) this.#constants.set(value, { type: value.type, data });
    const logits = graph.outputs.get('logits')!;
    for (const node of prune(graph, [logits])) {
      this.#visit(node);
      const result = node.outputs[0]!;
      if (this.#grid?.values.has(result)) {
        this.#pending.set(result, { integer: this.#stream(result, node.name), scale: undefined, chain: [] });
      }
    }
    this.rounded.output('logits', this.#finish(logits));
  }

  #visit(node: Node): void {
    const inputs = node.inputs.filter((value) => value !== undefined);
    const result = node.outputs[0]!;
    if (inputs.length > 0 && inputs.every((value) => this.#constants.has(value))) {
      const operands = node.inputs.map((value) => value && this.#constants.get(value));
      this.#constants.set(result, runOp(node.op, operands, node.attributes));
      return;
    }
    const x = inputs[0]!;
    const levels = this.#levels.get(x);
    if (isMove(node)) {
      if (levels !== undefined) this.#levels.set(result, moved(this.rounded, node, levels));
      else this.#pending.set(result, this.#moveReal(node));
      return;
    }
    const { name, op } = node;
    if ([quantizeUnit, quantizeScaled, quantizeSign].some((each) => each.name === op.name))
      this.#levels.set(result, this.#quantize(this.#pendingOf(x), name, node));
    else if (op.name === concat.name && levels !== undefined)
      this.#levels.set(result, this.rounded.apply(concat, name, this.#levelsOf(node), {}));
    else if (Object.hasOwn(this.#computing, op.name)) this.#pending.set(result, this.#computing[op.name]!(node));
    else throw new SubbitError(`${name}: the op ${op.name} cannot be deployed`);
  }

  #levelsOf({ inputs }: Node): (Value | undefined)[] {
    return inputs.map((value) => value && this.#levels.get(value));
  }

  #pendingOf(value: Value): Pending {
    const pending = this.#pending.get(value);
    if (pending === undefined) throw new SubbitError(`${value.name}: a quantized value where a real one is expected`);
    return pending;
  }

  /** A function of single numbers goes before what gives them another shape, which is then done to levels. */
  #append(node: Node): Pending {
    const pending = this.#pendingOf(node.inputs[0]!);
    if (node.op.name !== activate.name) return appended(pending, node);
    const [chain, reshapes] = beforeReshapes(pending.chain);
    return { ...pending, chain: [...chain, node, ...reshapes] };
  }

  /** The same on a real value: at once while nothing real has been done to its integers. A scale is positive, so maxima stay. */
  #moveReal(node: Node): Pending {
    const pending = this.#pendingOf(node.inputs[0]!);
    if (pending.chain.length > 0) return appended(pending, node);
    const integer = moved(this.rounded, node, pending.integer);
    const scale = pending.scale && movedScale(pending.scale, node, pending.integer.type);
    const bound = this.#streams.get(pending.integer);
    if (bound !== undefined) this.#streams.set(integer, bound);
    return { ...pending, integer, scale };
  }

  #convolve(node: Node): Pending {
    const [x, filter, xScale, filterScale] = node.inputs;
    const inputScale = this.#scaleOf(xScale);
    const ownScale = this.#scaleOf(filterScale);
    const scale = inputScale && ownScale ? multiplied(inputScale, ownScale) : (inputScale ?? ownScale);
    if (ownScale?.data.some((each) => !(each >= 0)))
      throw new SubbitError(`${node.name}: a filter with a negative scale cannot be deployed`);
    const weights = this.#constants.get(filter!);
    if (weights === undefined)
      throw new SubbitError(`${node.name}: a filter that is computed from the image cannot be deployed`);
    const [kernelHeight, kernelWidth, channels] = weights.type.shape as [number, number, number];
    const terms = kernelHeight * kernelWidth * channels;
    const isFloat = weights.type.encoding === undefined;
    const levels =
      this.#levels.get(x!) ?? this.#roundInput(node.name, this.#pendingOf(x!), isFloat ? terms : undefined);
    const stored = isFloat ? this.#roundFilter(node.name, weights, terms, levels) : weights;
    const { stride, padTop, padLeft, outHeight, outWidth, dilation = 1, groups = 1 } = node.attributes;
    const y = this.rounded.apply(
      integerConv2d,
      node.name,
      [levels, this.rounded.constant(`${node.name}/filter`, stored.type, stored.data)],
      { stride, padTop, padLeft, outHeight, outWidth, dilation, groups },
    );
    return { integer: y, scale, chain: [] };
  }

  /** The contents of a scale. */
  #scaleOf(scale: Value | undefined): Tensor | undefined {
    const constant = scale && this.#constants.get(scale);
    if (scale && !constant)
      throw new SubbitError(`${scale.name}: a scale that is computed from the image cannot be deployed`);
    return constant;
  }

  #roundFilter(layer: string, weights: Tensor, terms: number, x: Value): Tensor {
    const { filter, max, relativeError } = roundFilter(weights, terms, largestInteger(x.type.encoding!));
    this.roundings.push({ layer, what: `weights to integers up to ${max}`, relativeError });
    return filter;
  }

  /** What goes into a float layer, as integers. `terms` products are summed; without it, as many bits as there are. */
  #roundInput(layer: string, { chain, ...source }: Pending, terms = 1): Value {
    // What only moves elements at the end of the chain moves integers instead.
    const end = chain.findLastIndex((node) => !isMove(node)) + 1;
    const pending = { ...source, chain: chain.slice(0, end) };
    return chain
      .slice(end)
      .reduce((value, node) => moved(this.rounded, node, value), this.#roundedInput(layer, pending, terms));
  }

  #roundedInput(layer: string, pending: Pending, terms: number): Value {
    const last = pending.chain.at(-1);
    if (last?.op.name === activate.name && last.attributes.kind !== 'relu') {
      this.roundings.push({ layer, what: `input to ${inputBits} bits` });
      const attributes = { bits: inputBits };
      return this.#quantize(pending, `${layer}/input`, { op: quantizeUnit, inputs: [], attributes });
    }
    // Half of the accumulator's bits to the input, half to the weights.
    const max = Math.min(fixedPointMax, Math.floor(Math.sqrt((2 ** 31 - 1) / terms)));
    return this.#toFixedPoint(layer, pending, max);
  }

  /** Dequantize, chain, quantize: what `lower` makes thresholds of. */
  #quantize(pending: Pending, name: string, quantizer: Pick<Node, 'op' | 'inputs' | 'attributes'>): Value {
    let value = this.rounded.apply(
      dequantize,
      `${name}/real`,
      [this.#accumulators(pending.integer), pending.scale && this.#constant(`${name}/scale`, pending.scale)],
      (pending.scale?.data.length ?? 1) > 1 ? { scaleAxis: 'last' } : {},
    );
    const constantsOf = ({ inputs }: Pick<Node, 'inputs'>): (Value | undefined)[] =>
      inputs.slice(1).map((each) => each && this.#constant(each.name, this.#constants.get(each)!));
    const [chain, reshapes] = beforeReshapes(pending.chain);
    for (const node of chain) {
      const operands = [value, ...constantsOf(node)];
      value = this.rounded.apply(node.op, `${name}/${node.name}`, operands, node.attributes as never);
    }
    const operands = [value, ...constantsOf(quantizer)];
    const levels = this.rounded.apply(quantizer.op, name, operands, quantizer.attributes as never);
    return reshapes.reduce((each, node) => moved(this.rounded, node, each), levels);
  }

  #constant(name: string, { type, data }: Tensor): Value {
    return this.rounded.constant(name, type, data);
  }

  /** Integers 0 .. max (or -max .. max) that stand for an affine function of the pending ones, clamped. */
  #toFixedPoint(layer: string, pending: Pending, max: number): Value {
    const { before, isRelu } = withoutRelu(pending);
    const affine = this.#affine(before, layer);
    const range = clampOf(before, affine, (value) => this.#constants.get(value)!.data);
    const step = range / max;
    this.roundings.push({ layer, what: `input to integers up to ${max}, clamped at ${range.toPrecision(3)}` });
    return this.#rescale(`${layer}/input`, pending.integer, affine, { step, low: isRelu ? 0 : -max, high: max });
  }

  #affine(pending: Pending, layer: string): Affine {
    const affine = affineOf(pending, (value) => this.#constants.get(value)!.data);
    if (affine === undefined)
      throw new SubbitError(`${layer}: an input that is not bounded and not affine (plus relu) cannot be deployed`);
    return affine;
  }

  #rescale(name: string, x: Value, affine: Affine, clamp: Clamp): Value {
    return rescaled(this.rounded, name, this.#accumulators(x), affine, {
      ...clamp,
      hasMeaning: this.#grid !== undefined,
    });
  }

  /** a + b as residual streams. */
  #addStreams(node: Node): Pending {
    const [a, b] = node.inputs.map((value) => this.#stream(value!, node.name)) as [Value, Value];
    return { integer: this.#sum(node.name, a, b), scale: undefined, chain: [] };
  }

  /** Real values side by side, on one grid; without one each stream has a step of its own. */
  #joinStreams(node: Node): Pending {
    const streams = node.inputs.map((value) => this.#stream(value!, node.name));
    const range = Math.max(...streams.map((stream) => this.#streams.get(stream)!));
    const parts = streams.map((integer, i) => {
      const affine = this.#affine({ integer, scale: undefined, chain: [] }, node.name);
      return this.#grid ? integer : this.#toGrid(`${node.name}/${i}`, integer, affine, { range, side: 0 });
    });
    const joined = this.rounded.apply(concat, node.name, parts, {});
    this.#streams.set(joined, range);
    return { integer: joined, scale: undefined, chain: [] };
  }

  #sum(name: string, a: Value, b: Value): Value {
    const sum = this.rounded.apply(integerAdd, name, [a, b], {});
    const bound = this.#streams.get(a)! + this.#streams.get(b)!;
    this.#streams.set(sum, bound);
    this.streamBound = Math.max(this.streamBound, bound);
    return sum;
  }

  #applyRprelu(node: Node): Pending {
    const x = this.#stream(node.inputs[0]!, node.name);
    const bound = this.#streams.get(x)!;
    const [gamma, beta, zeta] = node.inputs.slice(1).map((value) => this.#constants.get(value!)!.data);
    const parts = rpreluParts(gamma!, beta!, zeta!);
    const [line, ...kinks] = parts.map((part) => {
      const slope = part.slope.map((each) => each * stepOf(x.type));
      const side = { line: 0, above: 1, below: -1 }[part.name];
      return this.#toGrid(`${node.name}/${part.name}`, x, { ...part, slope }, { range: rangeOf(part, bound), side });
    });
    if (this.#grid) {
      const error = rpreluError(parts, { bound, step: this.#grid.step });
      this.roundings.push({ layer: node.name, what: `RPReLU, each number off by at most ${error.toPrecision(2)}` });
    }
    const integer = kinks.reduce((sum, kink) => this.#sum(`${kink.name}/sum`, sum, kink), line!);
    return { integer, scale: undefined, chain: [] };
  }

  /** A real value on the streams' fixed-point grid. */
  #stream(value: Value, layer: string): Value {
    const pending = this.#pendingOf(value);
    const { integer: x, chain } = pending;
    this.streamed.add(value);
    if (chain.length === 0 && this.#streams.has(x)) return x;
    const { before, isRelu } = withoutRelu(pending);
    const affine = this.#affine(before, layer);
    const range = rangeOf(affine, largestInteger(x.type.encoding!));
    for (const factor of affine.slope) this.largestFactor = Math.max(this.largestFactor, Math.abs(factor));
    return this.#toGrid(`${value.name}/stream`, x, affine, { range, side: isRelu ? 1 : 0 });
  }

  /** Integers as a stream of real numbers up to `range`; of those, the ones above (side 1) or below 0 (-1), or all. */
  #toGrid(name: string, x: Value, affine: Affine, { range, side }: { readonly range: number; readonly side: number }) {
    const step = this.#grid?.step ?? (range > 0 ? range : 1);
    const high = Math.ceil(range / step) + 1;
    const clamp = { low: side > 0 ? 0 : -high, high: side < 0 ? 0 : high };
    const stream = this.#rescale(name, x, affine, { step, ...clamp });
    this.#streams.set(stream, range);
    this.streamBound = Math.max(this.streamBound, range);
    return stream;
  }

  /** A mean: a sum of integers, whose scale has the number of pixels in it. */
  #average(node: Node): Pending {
    const pixels = pixelsOfWindows(node);
    const pending = this.#pendingOf(node.inputs[0]!);
    const last = pending.chain.at(-1);
    const largest = largestInteger(pending.integer.type.encoding!);
    const isDone = pending.chain.length === 0 && pixels * largest < 2 ** 31;
    const isBounded = last?.op.name === activate.name && last.attributes.kind !== 'relu';
    const values = isDone
      ? pending.integer
      : isBounded
        ? this.#roundInput(node.name, pending)
        : this.#toFixedPoint(node.name, pending, Math.min(fixedPointMax, Math.floor((2 ** 31 - 1) / pixels)));
    const share: Tensor = { type: real([1]), data: Float32Array.of(1 / pixels) };
    const scale = isDone && pending.scale ? multiplied(share, pending.scale) : share;
    return { integer: sumOfWindows(this.rounded, node, values), scale, chain: [] };
  }

  /** The last accumulators: the bias rounded to their step, one step for all classes. */
  #finish(logits: Value): Value {
    const pending = this.#pendingOf(logits);
    const affine = this.#affine(pending, logits.name);
    const { step, bound, isShared } = stepOfClasses(affine, pending.integer.type.encoding!.max);
    if (!isShared) this.roundings.push({ layer: logits.name, what: 'factors of the classes to 16 bits' });
    const high = Math.ceil(bound / step);
    return this.#rescale('logits', pending.integer, affine, { step, low: -high, high });
  }
}
