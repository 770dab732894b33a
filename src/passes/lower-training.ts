/**
 * A training (or evaluation) graph with low-bit kernels: the same numbers from integer products and fewer passes over memory.
 *
 *     conv2d                  levels x bipolar filter -> integers    W x A    a family of ops/packed-conv2d
 *     conv2d-input-gradient   bipolar dy x filter     -> integers    W x G    the same, with the filter reversed
 *     conv2d-filter-gradient  levels x bipolar dy     -> real        A x G    conv2d-filter-gradient-dot
 *     what lies between two products                                          ops/normalize-quantize
 *     a float first layer, with what follows it                               ops/routed-conv2d
 *
 * The integers of a product stay integers (16 bits where they fit); their readers multiply by the scale. All numbers are
 * rounded as in the graph that comes in, so both compute the same bits, but for sums whose order differs: those of batch
 * statistics and of gradients over the batch.
 */
import type { Graph, Node, Value } from '../core/graph.js';
import { batchStatistics } from '../ops/batch-norm/batch-norm.js';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from '../ops/conv2d/conv2d.js';
import { add, sumRows } from '../ops/elementwise/elementwise.js';
import { addDequantized } from '../ops/normalize-quantize/add-dequantized.js';
import { normalizeQuantize } from '../ops/normalize-quantize/normalize-quantize.js';
import {
  normalizeQuantizeGradient,
  normalizeQuantizeGradientLevels,
  normalizeQuantizeGradientSums,
} from '../ops/normalize-quantize/normalize-quantize-gradient.js';
import { quantizeBackward } from '../ops/quantize/gradients.js';
import { realOf } from '../ops/quantize/real.js';
import { conv2dFilterGradientRouted, conv2dLevels, routedBiasGradient } from '../ops/routed-conv2d/routed-conv2d.js';
import { LowBitProducts, type ProductChoice } from './low-bit-products.js';
import { behindMarkers, findUnits, type NormalizeUnit } from './normalize-units.js';
import { Rewrite } from './rewrite.js';
import { type RoutedLayer, routedLayerOf } from './routed-layers.js';

export interface LoweredTraining {
  readonly graph: Graph;
  /** What multiplies, product by product, in the order of the graph. */
  readonly products: readonly ProductChoice[];
  /** The lowered graph's value for one of the graph that came in, such as the losses. */
  valueOf(value: Value): Value;
}

/** `isa` is the instruction set of the backend that will run the graph. */
export function lowerTraining(graph: Graph, { isa }: { readonly isa: string }): LoweredTraining {
  const lowering = new Lowering(graph, isa);
  const lowered = lowering.run();
  return {
    graph: lowered,
    products: lowering.products.choices,
    valueOf: (value) => lowering.rewrite.valueOf(value),
  };
}

class Lowering {
  readonly rewrite: Rewrite;
  readonly products: LowBitProducts;
  /** Integers of the target for values that the source has as real numbers. */
  readonly #integers = new Map<Value, Value>();
  /** Of routed layers that were lowered. */
  readonly #routes = new Map<NormalizeUnit, Value>();
  /** The unit or the layer that a node goes into. */
  readonly #units = new Map<Node, NormalizeUnit>();
  readonly #routed = new Map<Node, RoutedLayer>();

  constructor(graph: Graph, isa: string) {
    this.rewrite = new Rewrite(graph);
    this.products = new LowBitProducts(this.rewrite, isa);
    for (const unit of findUnits(this.rewrite)) {
      const layer = routedLayerOf(this.rewrite, unit);
      if (layer !== undefined) {
        for (const node of [...unit.nodes, layer.conv, layer.filterGradient]) if (node) this.#routed.set(node, layer);
      } else {
        for (const node of unit.nodes) this.#units.set(node, unit);
      }
    }
  }

  run(): Graph {
    for (const node of this.rewrite.nodes) {
      const unit = this.#units.get(node);
      const layer = this.#routed.get(node);
      if (layer !== undefined) this.#lowerRouted(layer, node);
      else if (unit !== undefined) this.#lowerUnit(unit, node);
      else if (node.op === quantizeBackward) this.#passOn(node);
      else if (!this.#lowerProduct(node) && !this.#readIntegers(node)) this.rewrite.copy(node);
    }
    return this.rewrite.finish();
  }

  /** A marker: what it gives is what it takes. */
  #passOn(node: Node): void {
    const source = behindMarkers(node.outputs[0]!);
    this.rewrite.replace(node.outputs[0]!, () => this.rewrite.valueOf(source));
  }

  #lowerProduct(node: Node): boolean {
    const product = this.#productOf(node);
    if (product === undefined) return false;
    const [y] = node.outputs;
    if (product.type.encoding === undefined) {
      this.rewrite.replace(y!, product);
    } else {
      this.#integers.set(y!, product);
      this.rewrite.replace(y!, () => realOf(this.rewrite.target, product));
    }
    return true;
  }

  #productOf(node: Node): Value | undefined {
    if (node.op === conv2d) return this.products.forward(node);
    if (node.op === conv2dInputGradient) return this.products.inputGradient(node);
    if (node.op === conv2dFilterGradient) return this.products.filterGradient(node);
    return undefined;
  }

  /** The integers that a value was before anybody made real numbers of it, or the value. */
  #integersOf(value: Value): Value {
    return this.#integers.get(behindMarkers(value)) ?? this.rewrite.valueOf(value);
  }

  /** Ops that take integers where the source has real numbers. */
  #readIntegers(node: Node): boolean {
    const { target } = this.rewrite;
    if (node.op === batchStatistics) {
      const x = this.#integersOf(node.inputs[0]!);
      const statistics = target.add(batchStatistics, node.name, [x, x.scale], {});
      for (const [i, value] of node.outputs.entries()) this.rewrite.replace(value, statistics[i]!);
      return true;
    }
    if (node.op !== add) return false;
    const integers = node.inputs.findLast((value) => this.#integersOf(value!).type.encoding !== undefined);
    if (integers === undefined) return false;
    const other = node.inputs[node.inputs[0] === integers ? 1 : 0]!;
    const b = this.#integersOf(integers);
    const sum = target.apply(addDequantized, node.name, [this.rewrite.valueOf(other), b, b.scale], {});
    this.rewrite.replace(node.outputs[0]!, sum);
    return true;
  }

  /** Adds what the layer has at this node: its three ops stand where quantizer, bias gradient and filter gradient were. */
  #lowerRouted({ unit, conv, filterGradient }: RoutedLayer, node: Node): void {
    const { rewrite } = this;
    const { target } = rewrite;
    const { quantize, back, attributes } = unit;
    const windows = attributes.pool === undefined ? {} : { pool: attributes.pool };
    if (node === quantize) {
      const [x, filter] = conv.inputs as [Value, Value];
      const inputs = [x, filter, unit.perChannel[3]!].map((value) => rewrite.valueOf(value));
      const options = { ...conv.attributes, ...windows, bits: quantize.attributes.bits };
      const [levels, route] = target.add(conv2dLevels, conv.name, inputs, options);
      rewrite.replace(node.outputs[0]!, levels!);
      this.#routes.set(unit, route!);
      this.products.stayFloat(conv, 'forward', 'its filter is real');
    }
    if (back === undefined || (node !== back.sums && node !== filterGradient)) return;
    const dy = this.#integersOf(back.dy);
    const routed = [dy, dy.scale, this.#routes.get(unit)!];
    if (node === back.sums) {
      rewrite.replace(node.outputs[0]!, target.apply(routedBiasGradient, node.name, routed, {}));
      return;
    }
    const x = rewrite.valueOf(node.inputs[0]!);
    const options = { ...node.attributes, ...windows };
    rewrite.replace(node.outputs[0]!, target.apply(conv2dFilterGradientRouted, node.name, [x, ...routed], options));
    this.products.stayFloat(node, 'filter gradient', 'its gradient is real');
  }

  /** Adds what the unit has at this node: each of its three ops where the last node that it replaces was. */
  #lowerUnit(unit: NormalizeUnit, node: Node): void {
    const { rewrite } = this;
    const { target } = rewrite;
    const { attributes, quantize, back } = unit;
    const perChannel = [0, 1, 2, 3].map((i) => unit.perChannel[i] && rewrite.valueOf(unit.perChannel[i]));
    const x = this.#integersOf(unit.x);
    if (node === quantize) {
      const bits = { bits: quantize.attributes.bits };
      const levels = target.apply(normalizeQuantize, node.name, [x, x.scale, ...perChannel], {
        ...attributes,
        ...bits,
      });
      rewrite.replace(node.outputs[0]!, levels);
    }
    if (back === undefined || (node !== back.sums && node !== back.last)) return;
    const dy = this.#integersOf(back.dy);
    const inputs = [x, x.scale, dy, dy.scale, ...perChannel];
    if (node === back.sums) {
      const [dGamma, dBeta] = target.add(normalizeQuantizeGradientSums, node.name, inputs, attributes);
      if (node.op !== sumRows) rewrite.replace(node.outputs[0]!, dGamma!);
      rewrite.replace(node.outputs.at(-1)!, dBeta!);
    }
    if (node !== back.last) return;
    // A bias moves nothing, so only statistics have sums in the gradient of x.
    const sums =
      perChannel[0] === undefined ? [undefined, undefined] : back.sums!.outputs.map((sum) => rewrite.valueOf(sum));
    if (back.levels === undefined) {
      const dx = target.apply(normalizeQuantizeGradient, node.name, [...inputs, ...sums], attributes);
      rewrite.replace(node.outputs[0]!, dx);
      return;
    }
    const { bits: gradientBits, seed, stream } = node.attributes;
    const [levels, max] = target.add(
      normalizeQuantizeGradientLevels,
      node.name,
      [...inputs, ...sums, rewrite.valueOf(node.inputs[2]!)],
      { ...attributes, gradientBits, seed, stream },
    );
    rewrite.replace(node.outputs[0]!, levels!);
    rewrite.replace(node.inputs[1]!, max!);
  }
}
