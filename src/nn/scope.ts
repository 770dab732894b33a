/**
 * What layers build with: the graph, named parameters with their initialisation, and the bit-widths of each layer.
 *
 * A layer is a function (scope, x) => y that adds nodes. The same layers build the training graph and the evaluation graph;
 * `scope.training` tells which.
 */
import { Graph, type Value } from '../core/graph.js';
import { real, type Shape, type TypedArray } from '../core/tensor.js';
import { UsageError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { Philox } from '../util/philox.js';
import { type Bits, floatBits } from './bits.js';
import {
  activationQuantizers,
  gradientQuantizers,
  type Quantizer,
  type QuantizerRole,
  weightQuantizers,
} from './quantizers/index.js';
import type { Selection } from './selection.js';

export type Layer = (scope: Scope, x: Value) => Value;

export interface ScopeOptions {
  readonly training: boolean;
  /** Of initialisation, noise and dropout. */
  readonly seed: number;
  /** Of every layer that is not first, last or in `bitsOf`. @default float */
  readonly bits?: Bits;
  /** By layer name; wins over everything else. */
  readonly bitsOf?: Readonly<Record<string, Bits>>;
  /** Layers that stay float (weights, input and gradient) unless `bitsOf` names them. */
  readonly floatLayers?: readonly string[];
  /** The bounded function before a quantizer of activations. @default 'clip' */
  readonly boundedActivation?: 'clip' | 'cabs';
  /** Of the codewords of binary 3x3 filters. @default none: all 512 may be used */
  readonly selection?: Selection;
  /** What follows each addition of a shortcut. @default 'none' */
  readonly shortcutActivation?: 'none' | 'rprelu';
  /** @default codebook where there is a selection, else dorefa */
  readonly weightQuantizer?: Quantizer;
  readonly activationQuantizer?: Quantizer;
  /** By layer name and role; wins over the two before. */
  readonly quantizersOf?: Readonly<Record<string, Readonly<Partial<Record<QuantizerRole, Quantizer>>>>>;
  readonly gradientQuantizer?: Quantizer;
}

/** Fills a parameter; `fanIn` is the number of inputs of one output. */
export type Initializer = (data: TypedArray, random: Philox, fanIn: number) => void;

/** He et al. 2015: normal with variance 2 / fanIn. */
export const heNormal: Initializer = (data, random, fanIn) => {
  const deviation = Math.sqrt(2 / fanIn);
  for (let i = 0; i < data.length; i++) data[i] = deviation * random.nextNormal();
};

export const zeros: Initializer = () => {};
export const ones: Initializer = (data) => {
  data.fill(1);
};

export class Scope {
  readonly graph = new Graph();
  readonly training: boolean;
  readonly seed: number;
  /** i32[1], the number of training steps done: the counter of all random numbers. */
  readonly step: Value;
  readonly boundedActivation: 'clip' | 'cabs';
  readonly selection: Selection | undefined;
  readonly shortcutActivation: 'none' | 'rprelu';
  readonly gradientQuantizer: Quantizer;
  readonly #options: ScopeOptions;
  readonly #layers = new Set<string>();
  readonly #shared = new Map<string, Value>();

  constructor(options: ScopeOptions) {
    this.#options = options;
    this.training = options.training;
    this.seed = options.seed;
    this.step = this.graph.input('step', { dtype: 'i32', shape: [1] });
    this.boundedActivation = options.boundedActivation ?? 'clip';
    this.selection = options.selection;
    this.shortcutActivation = options.shortcutActivation ?? 'none';
    this.gradientQuantizer = options.gradientQuantizer ?? gradientQuantizers.dorefa!;
  }

  /** The bit-widths of a layer with weights. */
  bitsOf(layer: string): Bits {
    this.#layers.add(layer);
    const own = this.#options.bitsOf?.[layer];
    if (own !== undefined) return own;
    return this.#options.floatLayers?.includes(layer) ? floatBits : (this.#options.bits ?? floatBits);
  }

  /** The quantizer of a layer's filter, or of what goes into the layer. */
  quantizerOf(role: QuantizerRole, layer: string): Quantizer {
    const { quantizersOf, weightQuantizer, activationQuantizer, selection } = this.#options;
    const own = quantizersOf?.[layer]?.[role];
    if (own !== undefined) return own;
    if (role === 'activation') return activationQuantizer ?? activationQuantizers.dorefa!;
    return weightQuantizer ?? weightQuantizers[selection ? 'codebook' : 'dorefa']!;
  }

  /** The bit-widths of the network as a whole. */
  get bits(): Bits {
    return this.#options.bits ?? floatBits;
  }

  /** A trained tensor. `decay: true` puts it under the run's weight decay. */
  parameter(
    name: string,
    shape: Shape,
    initializer: Initializer,
    options: { fanIn?: number; decay?: boolean } = {},
  ): Value {
    const initialize = (data: TypedArray): void => initializer(data, new Philox(this.seed, name), options.fanIn ?? 1);
    return this.graph.variable(name, real(shape), { role: 'parameter', initialize, decay: options.decay ? 1 : 0 });
  }

  /** A tensor that is kept across steps but not trained. */
  state(name: string, shape: Shape, initializer: Initializer): Value {
    const initialize = (data: TypedArray): void => initializer(data, new Philox(this.seed, name), 1);
    return this.graph.variable(name, real(shape), { role: 'state', initialize });
  }

  /** A value that several layers use: made when the first of them asks. */
  shared(name: string, make: () => Value): Value {
    const value = this.#shared.get(name) ?? make();
    this.#shared.set(name, value);
    return value;
  }

  /** Throws when `bitsOf` or `quantizersOf` names a layer that the network does not have. Called when the network is complete. */
  requireKnownLayers(): void {
    for (const layer of Object.keys({ ...this.#options.bitsOf, ...this.#options.quantizersOf })) {
      if (this.#layers.has(layer)) continue;
      const near = nearest(layer, [...this.#layers]);
      const hint = near === undefined ? '' : `; did you mean '${near}'?`;
      throw new UsageError(`the network has no layer '${layer}'${hint} (layers: ${[...this.#layers].join(', ')})`);
    }
  }
}
