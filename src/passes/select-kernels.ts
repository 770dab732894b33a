/**
 * Chooses the kernels of a deployed network: every `integer-conv2d` becomes, with what follows it, one fused convolution of a
 * kernel family (ops/packed-conv2d), and its filter a packed one. Exact: the fused op computes the same integers.
 *
 *     integer-conv2d                                    y i32
 *     integer-conv2d -> threshold                       y u8
 *     integer-conv2d -> rescale [-> integer-add]        y i32, a residual stream
 *
 * One with a single weight per channel that thresholds or a rescaling follow is a function of a byte, and becomes a table (lookup): the
 * quantizer in front of an image, or where a residual stream begins at levels.
 *
 * A codebook takes the signs of output channels beside its few patterns; for the other families they become the filter's own.
 *
 * A node is swallowed only when nothing else reads what it computes. What no family takes (operands of 16 bits on both sides,
 * depthwise filters) stays as it is.
 */
import type { Graph, Node, Value } from '../core/graph.js';
import { decode, operandOf, type TypedArray } from '../core/tensor.js';
import { isBinary3x3 } from '../ops/codewords.js';
import { channelsOf } from '../ops/elementwise/elementwise.js';
import { integerAdd } from '../ops/integer/integer-add.js';
import { lookup } from '../ops/integer/lookup.js';
import { rescale } from '../ops/integer/rescale.js';
import { threshold } from '../ops/integer/threshold.js';
import { integerConv2d, withSigns } from '../ops/integer-conv2d/integer-conv2d.js';
import { codewordsOf, maxCodewords } from '../ops/packed-conv2d/codebook.js';
import { type Family, type FamilyName, families, takes, weightKindOf } from '../ops/packed-conv2d/families.js';
import {
  type ConvolutionKind,
  chooseKernel,
  type KernelName,
  tableInputsOf,
} from '../ops/packed-conv2d/kernel-choice.js';
import { guidedThresholds, linearFit } from '../ops/packed-conv2d/linear-fit.js';
import type { Epilogue } from '../ops/packed-conv2d/packed-conv2d.js';
import { isPerElement, tablesOf } from './byte-tables.js';
import { Rewrite } from './rewrite.js';

export interface SelectOptions {
  /** Of the backend that will run the graph. */
  readonly isa: string;
  /** What runs of the fused convolutions (packed-conv2d.ts), for benchmarks. @default everything */
  readonly parts?: number;
  /** Overrides the table of choices. @default chooseKernel */
  readonly kernelOf?: ((kind: ConvolutionKind, isa: string) => KernelName) | undefined;
}

export function selectKernels(graph: Graph, options: SelectOptions): Graph {
  return new Selection(graph, options).selected;
}

/** A convolution with the nodes that it swallows, in order. */
interface Fusion {
  readonly conv: Node;
  readonly family: Family;
  readonly kind: ConvolutionKind;
  readonly tail: readonly Node[];
}

class Selection {
  readonly selected: Graph;
  readonly #graph: Graph;
  readonly #options: SelectOptions;
  readonly #rewrite: Rewrite;

  constructor(graph: Graph, options: SelectOptions) {
    this.#graph = graph;
    this.#options = options;
    this.#rewrite = new Rewrite(graph);
    const { nodes } = this.#rewrite;
    // By the last node that each swallows: there all inputs are at hand.
    const replaced = new Map<Node, () => Value>();
    const swallowed = new Set<Node>();
    for (const node of nodes) {
      if (node.op.name !== integerConv2d.name) continue;
      const last = this.#endOfByteFunction(node);
      if (last !== undefined) {
        replaced.set(last, () => this.#lookUp(node, last));
        swallowed.add(node);
        continue;
      }
      const fusion = this.#fusionOf(node, swallowed);
      if (fusion === undefined) continue;
      replaced.set(fusion.tail.at(-1) ?? node, () => this.#fuse(fusion));
      for (const each of [node, ...fusion.tail]) swallowed.add(each);
    }
    for (const node of nodes) {
      const replacement = replaced.get(node);
      if (replacement !== undefined) this.#rewrite.replace(node.outputs[0]!, replacement());
      else if (!swallowed.has(node)) this.#rewrite.copy(node);
    }
    this.selected = this.#rewrite.finish();
  }

  /** The thresholds or the rescaling that make a function of a byte of a convolution, if it is one. */
  #endOfByteFunction(conv: Node): Node | undefined {
    if (!isPerElement(conv) || !this.#isOfConstants(conv)) return undefined;
    return this.#stepBehind(conv);
  }

  /** The only node that reads a convolution's sums, if it is one of thresholds or a rescaling by constants. */
  #stepBehind(conv: Node): Node | undefined {
    const next = this.#rewrite.onlyReader(conv.outputs[0]!);
    const isStep = next?.op.name === threshold.name || next?.op.name === rescale.name;
    return isStep && this.#isOfConstants(next) ? next : undefined;
  }

  /** Whether everything but a node's first input is known. */
  #isOfConstants({ inputs }: Node): boolean {
    return inputs.slice(1).every((value) => value === undefined || this.#graph.constants.has(value));
  }

  #lookUp(conv: Node, last: Node): Value {
    const { type } = last.outputs[0]!;
    const tables = tablesOf(conv, last, this.#graph.constants);
    const table = this.#rewrite.target.constant(`${last.name}/table`, tables.type, tables.data);
    const x = this.#rewrite.valueOf(conv.inputs[0]!);
    return this.#rewrite.target.apply(lookup, last.name, [x, table], { encoding: type.encoding! });
  }

  #fusionOf(conv: Node, swallowed: ReadonlySet<Node>): Fusion | undefined {
    const kind = kindOf(conv, this.#graph);
    if (kind === undefined) return undefined;
    const name = (this.#options.kernelOf ?? chooseKernel)(kind, this.#options.isa);
    if (name === 'plain') return undefined;
    const family: Family = families[name as FamilyName];
    if (!takes(family, kind)) return undefined;
    const next = this.#stepBehind(conv);
    if (next === undefined) return { conv, family, kind, tail: [] };
    const after = next.op.name === rescale.name ? this.#rewrite.onlyReader(next.outputs[0]!) : undefined;
    // A sum of two convolutions goes into one of them.
    if (after?.op.name !== integerAdd.name || swallowed.has(after)) return { conv, family, kind, tail: [next] };
    return { conv, family, kind, tail: [next, after] };
  }

  #fuse({ conv, family, kind, tail }: Fusion): Value {
    const [x, filter] = conv.inputs as [Value, Value];
    const { weightBits, activationBits } = kind;
    const tableInputs = tableInputsOf(family.name, kind.codewords, this.#options.isa);
    const { groups } = conv.attributes;
    const packed = this.#rewrite.target.apply(
      family.pack,
      `${conv.name}/packed`,
      family.maxCodewords === undefined
        ? [this.#signedFilter(conv)]
        : [filter, conv.inputs[2]].map((value) => value && this.#rewrite.valueOf(value)),
      { groups, weightBits, tableInputs },
    );
    const { epilogue, constants } = this.#epilogueOf(conv, tail);
    return this.#rewrite.target.apply(
      family.conv,
      conv.name,
      [this.#rewrite.valueOf(x), packed, this.#offsetsOf(conv), constants, this.#residualOf(tail)],
      {
        ...conv.attributes,
        ...{ weightBits, activationBits, tableInputs, epilogue },
        filterShape: filter.type.shape,
        ...(this.#options.parts === undefined ? {} : { parts: this.#options.parts }),
        ...family.factorsOf(kind, operandOf(x.type).multiplier),
      },
    );
  }

  /** The filter with the signs of its output channels, in the new graph. */
  #signedFilter(conv: Node): Value {
    const [, filter, signs] = conv.inputs as [Value, Value, Value | undefined];
    if (signs === undefined) return this.#rewrite.valueOf(filter);
    return this.#rewrite.target.constant(`${conv.name}/signed`, filter.type, this.#signedWeights(filter, signs));
  }

  #signedWeights(filter: Value, signs: Value | undefined): TypedArray {
    const weights = this.#graph.constants.get(filter)!;
    return signs === undefined ? weights : withSigns(weights, filter.type, this.#graph.constants.get(signs)!);
  }

  /** The operand of the swallowed addition that the convolution does not compute. */
  #residualOf(tail: readonly Node[]): Value | undefined {
    const [rescaled, sum] = tail;
    const other = sum?.inputs.find((value) => value !== rescaled!.outputs[0]);
    return other && this.#rewrite.valueOf(other);
  }

  #epilogueOf(conv: Node, tail: readonly Node[]): { epilogue: Epilogue; constants: Value | undefined } {
    const encoding = (tail.at(-1) ?? conv).outputs[0]!.type.encoding!;
    const { max, step } = encoding;
    const base = { levels: 0, low: 0, high: 0, max, step };
    const [first] = tail;
    if (first === undefined) return { epilogue: { kind: 'accumulators', ...base }, constants: undefined };
    const contents = first.inputs.slice(1).map((value) => value && (this.#graph.constants.get(value) as Int32Array));
    const numChannels = channelsOf(first.outputs[0]!.type.shape);
    const rows = (data: TypedArray): Value => {
      const dtype = data instanceof Float32Array ? 'f32' : 'i32';
      const shape = [data.length / numChannels, numChannels];
      return this.#rewrite.target.constant(`${conv.name}/epilogue`, { dtype, shape }, data);
    };
    if (first.op.name === rescale.name) {
      const { low, high } = first.attributes;
      return { epilogue: { kind: 'stream', ...base, low, high }, constants: rows(joined(contents as Int32Array[])) };
    }
    const [up, down] = contents as [Int32Array, Int32Array | undefined];
    if (down !== undefined) {
      return {
        epilogue: { kind: 'two-sided thresholds', ...base, levels: max, encoding },
        constants: rows(joined([up, down])),
      };
    }
    const bound = conv.outputs[0]!.type.encoding!.max;
    const line = linearFit(up, numChannels, bound);
    const guided = line ? undefined : guidedThresholds(up, numChannels, bound);
    const kind = line ? 'linear' : guided ? 'guided' : 'thresholds';
    return { epilogue: { kind, ...base, levels: max, encoding }, constants: rows(line ?? guided ?? up) };
  }

  /** x's zero points times the weights, by tap, and their sum; absent where there is no zero point. */
  #offsetsOf(conv: Node): Value | undefined {
    const [x, filter, signs] = conv.inputs as [Value, Value, Value | undefined];
    const xOperand = operandOf(x.type);
    if (xOperand.offset.every((offset) => offset === 0)) return undefined;
    const [kernelHeight, kernelWidth, groupInputs, outChannels] = filter.type.shape as [number, number, number, number];
    const taps = kernelHeight * kernelWidth;
    const groupOutputs = outChannels / conv.attributes.groups;
    const weights = this.#signedWeights(filter, signs);
    const weightOperand = operandOf(filter.type);
    const offsets = new Int32Array((taps + 1) * outChannels);
    for (let i = 0; i < weights.length; i++) {
      const k = i % outChannels;
      const row = Math.floor(i / outChannels);
      const channel = Math.floor(k / groupOutputs) * groupInputs + (row % groupInputs);
      // decode(0) is minus the offset.
      const term = -decode(xOperand, 0, channel) * decode(weightOperand, weights[i]!, k);
      const tap = Math.floor(row / groupInputs);
      offsets[tap * outChannels + k] = offsets[tap * outChannels + k]! + term;
      offsets[taps * outChannels + k] = offsets[taps * outChannels + k]! + term;
    }
    return this.#rewrite.target.constant(
      `${conv.name}/offsets`,
      { dtype: 'i32', shape: [taps + 1, outChannels] },
      offsets,
    );
  }
}

/** What the choice of a kernel depends on; undefined for convolutions that no family takes. */
function kindOf(conv: Node, graph: Graph): ConvolutionKind | undefined {
  const [x, filter, signs] = conv.inputs as [Value, Value, Value | undefined];
  if (x.type.dtype !== 'u8' || !graph.constants.has(filter)) return undefined;
  if (signs !== undefined && !graph.constants.has(signs)) return undefined;
  const weights = filter.type.dtype === 'i16' ? { weightBits: 16 } : weightKindOf(filter.type.encoding!);
  if (weights === undefined) return undefined;
  // Minus the lowest of levels about a zero is none of them.
  if (signs !== undefined && weights.zeroPoint !== undefined) return undefined;
  const [kernelHeight, kernelWidth, groupInputs, outChannels] = filter.type.shape as [number, number, number, number];
  const [batch, outHeight, outWidth] = conv.outputs[0]!.type.shape as [number, number, number];
  const codewords = isBinary3x3(filter.type)
    ? codewordsOf(graph.constants.get(filter)!, groupInputs * outChannels, maxCodewords)
    : undefined;
  return {
    ...weights,
    activationBits: Math.ceil(Math.log2(x.type.encoding!.max + 1)),
    groupInputs,
    groupOutputs: outChannels / conv.attributes.groups,
    taps: kernelHeight * kernelWidth,
    pixels: batch * outHeight * outWidth,
    ...(codewords && { codewords: codewords.length }),
  };
}

function joined(parts: readonly Int32Array[]): Int32Array {
  const whole = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
