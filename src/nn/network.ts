/**
 * From a network's description to its graphs. The description is plain JSON, kept with every run, so that a graph can be
 * built again from it: for training, for evaluation, for inspection.
 */
import type { Graph, Value } from '../core/graph.js';
import { quantized, real } from '../core/tensor.js';
import { channelsOf } from '../ops/elementwise/elementwise.js';
import { rprelu } from '../ops/rprelu/rprelu.js';
import { groupFilters } from '../ops/selection/group-filters.js';
import { softmaxCrossEntropy } from '../ops/softmax/softmax.js';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';
import { type Bits, parseBits } from './bits.js';
import { type Preset, presets } from './models/index.js';
import { type ModelCode, presetOfCode } from './models/model-code.js';
import { presetOfJson } from './models/model-json.js';
import { codebookWeights } from './quantizers/codebook.js';
import { activationQuantizers, type Quantizer, type QuantizerRole, weightQuantizers } from './quantizers/index.js';
import { requireBits } from './quantizers/quantizer.js';
import { type Layer, Scope, type ScopeOptions } from './scope.js';
import { completeSelection, type SelectionDescription } from './selection.js';
import { isPrelu } from './summary.js';

/** A network in JSON (models/model-json.ts), or a module that exports a preset (models/model-code.ts). */
export type OwnModel = { readonly json: unknown } | { readonly code: ModelCode };

/** All that defines a network's function apart from its weights. */
export interface NetworkDescription {
  /** A preset's name, or the name that a model of the user's own goes by. */
  readonly preset: string;
  /** The user's own network in the place of a preset. */
  readonly model?: OwnModel;
  readonly width?: string;
  /** W-A-G */
  readonly bits: string;
  /** W-A-G by layer name. */
  readonly bitsOf?: Readonly<Record<string, string>>;
  /** Whether the first and the last layer are quantized too (DoReFa-Net table 3). @default false */
  readonly quantizeFirst?: boolean;
  readonly quantizeLast?: boolean;
  /** @default 'clip' */
  readonly boundedActivation?: 'clip' | 'cabs';
  /** n: binary 3x3 filters have only so many of the 512 sign patterns, 1 .. 512. @default all, and no codebook */
  readonly codewords?: number;
  readonly selection?: SelectionDescription;
  /** @default 'codebook' with `codewords`, else 'dorefa' */
  readonly weightQuantizer?: string;
  /** @default 'dorefa' */
  readonly activationQuantizer?: string;
  /** Of single layers, by their name: of the filter, and of what goes in. */
  readonly quantizersOf?: Readonly<Record<string, Readonly<Partial<Record<QuantizerRole, string>>>>>;
  /** What follows each addition of a shortcut (ReActNet: RPReLU). @default 'none' */
  readonly shortcutActivation?: 'none' | 'rprelu';
  /** Class names in label order. */
  readonly classes: readonly string[];
  /** Normalisation of image bytes: (byte - zeroPoint[channel]) * step. */
  readonly zeroPoints: readonly number[];
  readonly step: number;
}

/** A network as a user may give it: layers of their own instead of a preset. */
export interface NetworkDefinition {
  readonly layers: Layer;
  readonly input: { readonly height: number; readonly width: number; readonly channels: number };
  readonly zeroPoints: readonly number[];
  readonly step: number;
  /** Everything that `Scope` takes but the seed and the mode. */
  readonly options: Omit<ScopeOptions, 'training' | 'seed'>;
}

/** `defineNetwork` for every description: one whose model is code runs it. */
export async function openNetwork(description: NetworkDescription): Promise<NetworkDefinition> {
  const { preset, model } = description;
  if (model === undefined || 'json' in model) return defineNetwork(description);
  return defineNetwork(description, await presetOfCode(preset, model.code));
}

/**
 * Checks a description and turns it into layers and options; `own` is the preset that the code of a model exports (`openNetwork`).
 * Throws UsageErrors.
 */
export function defineNetwork(description: NetworkDescription, own?: Preset): NetworkDefinition {
  const preset = own ?? presetOf(description);
  const { width, codewords } = description;
  const bits = parseBits(description.bits);
  if (width !== undefined && !preset.widths?.includes(width)) {
    const known = preset.widths === undefined ? 'it has one width' : `known: ${preset.widths.join(', ')}`;
    throw new UsageError(`${preset.name} has no width '${width}' (${known})`);
  }
  const floatLayers = [
    ...(description.quantizeFirst ? [] : [preset.first]),
    ...(description.quantizeLast ? [] : [preset.last]),
  ];
  const bitsOf = Object.fromEntries(
    Object.entries(description.bitsOf ?? {}).map(([layer, own]) => [layer, parseBits(own)]),
  );
  return {
    layers: preset.build({ classes: description.classes.length, ...(width === undefined ? {} : { width }) }),
    input: preset.input,
    zeroPoints: description.zeroPoints,
    step: description.step,
    options: {
      bits,
      bitsOf,
      floatLayers,
      boundedActivation: description.boundedActivation ?? 'clip',
      ...(codewords === undefined
        ? {}
        : { selection: completeSelection(codewords, description.selection ?? {}, { gradientBits: bits.gradient }) }),
      ...quantizersOf(description, bits),
      shortcutActivation: description.shortcutActivation ?? 'none',
    },
  };
}

function presetOf({ preset, model }: NetworkDescription): Preset {
  if (model === undefined) return lookUp(presets, preset, 'preset');
  if ('json' in model) return presetOfJson(preset, model.json);
  throw new UsageError(`the model ${preset} is code, which must be loaded first; open it with openNetwork`);
}

const quantizers = { weight: weightQuantizers, activation: activationQuantizers } as const;

/** The quantizers of the network and those of single layers. */
function quantizersOf(
  { bits: text, codewords, weightQuantizer, activationQuantizer, quantizersOf: own = {} }: NetworkDescription,
  bits: Bits,
): Pick<ScopeOptions, 'weightQuantizer' | 'activationQuantizer' | 'quantizersOf'> {
  const quantizerOf = (role: QuantizerRole, name: string): Quantizer => {
    const quantizer = lookUp(lookUp(quantizers, role, 'role of a quantizer'), name, `${role} quantizer`);
    if (quantizer === codebookWeights && codewords === undefined)
      throw new UsageError(`the weight quantizer ${name} needs the number of codewords; give one or leave it out`);
    return quantizer;
  };
  const ofNetwork = (role: QuantizerRole, name: string | undefined): Quantizer | undefined => {
    const quantizer = name === undefined ? undefined : quantizerOf(role, name);
    if (quantizer !== undefined) requireBits(role, quantizer, bits[role], { bits: text });
    return quantizer;
  };
  if (codewords !== undefined && weightQuantizer !== undefined && weightQuantizer !== codebookWeights.name)
    throw new UsageError(
      `codewords are chosen by the weight quantizer ${codebookWeights.name}, not ${weightQuantizer}; leave one of them out`,
    );
  const [weights, activations] = [ofNetwork('weight', weightQuantizer), ofNetwork('activation', activationQuantizer)];
  return {
    ...(weights && { weightQuantizer: weights }),
    ...(activations && { activationQuantizer: activations }),
    quantizersOf: Object.fromEntries(
      Object.entries(own).map(([layer, names]) => [
        layer,
        Object.fromEntries(
          Object.entries(names).map(([role, name]) => [role, quantizerOf(role as QuantizerRole, name)]),
        ),
      ]),
    ),
  };
}

export interface NetworkGraph {
  readonly graph: Graph;
  /** Where the layers were built; its `step` input counts training steps. */
  readonly scope: Scope;
  /** The inputs 'images' (u8 [batch, H, W, C]) and 'labels' (i32 [batch], -1 = does not count). */
  readonly images: Value;
  readonly labels: Value;
  /** With `distilled`: the input 'targets', f32 [batch, classes], distributions that the loss takes in place of the labels. */
  readonly targets?: Value;
  /** The outputs by the same names: f32 [batch, classes], f32 [batch], f32 [batch, classes], i32 [batch]. */
  readonly logits: Value;
  readonly losses: Value;
  readonly probabilities: Value;
  readonly predictions: Value;
}

export interface GraphOptions {
  readonly batch: number;
  readonly training: boolean;
  readonly seed: number;
  /** Whether targets take the place of labels in the loss. @default false */
  readonly distilled?: boolean;
  /** Of the loss: share of the uniform distribution in the targets. @default 0 */
  readonly labelSmoothing?: number;
}

/** The graph from image bytes to losses and predictions. */
export function buildGraph(
  network: NetworkDefinition,
  { batch, training, seed, distilled = false, labelSmoothing }: GraphOptions,
): NetworkGraph {
  const scope = new Scope({ ...network.options, training, seed });
  const { graph } = scope;
  const { height, width, channels } = network.input;
  const encoding = {
    kind: 'levels',
    max: 255,
    step: network.step,
    zeroPoints: zeroPointsFor(network.zeroPoints, channels),
  } as const;
  const images = graph.input('images', quantized([batch, height, width, channels], encoding));
  const labels = graph.input('labels', { dtype: 'i32', shape: [batch] });
  const logits = network.layers(scope, images);
  scope.requireKnownLayers();
  if (
    scope.shortcutActivation === 'rprelu' &&
    !graph.nodes.some((node) => node.op.name === rprelu.name && !isPrelu(graph, node))
  )
    throw new UsageError('the network has no shortcuts that RPReLU could follow; leave the shortcut activation out');
  if (scope.selection !== undefined && !graph.nodes.some(({ op }) => op.name === groupFilters.name))
    throw new UsageError(
      'the network has no 3x3 filters of 1 bit to choose codewords for; use --bits 1-A-G or leave the codewords out',
    );
  const targets = distilled ? graph.input('targets', real([batch, channelsOf(logits.type.shape)])) : undefined;
  const [losses, probabilities, predictions] = graph.add(softmaxCrossEntropy, 'loss', [logits, labels, targets], {
    ...(labelSmoothing === undefined ? {} : { smoothing: labelSmoothing }),
  });
  const outputs = { logits, losses: losses!, probabilities: probabilities!, predictions: predictions! };
  for (const [name, value] of Object.entries(outputs)) graph.output(name, value);
  return { graph, scope, images, labels, ...(targets && { targets }), ...outputs };
}

/** Grey images that were repeated to three channels keep their one zero point. */
function zeroPointsFor(zeroPoints: readonly number[], channels: number): readonly number[] {
  if (zeroPoints.length === 1 || zeroPoints.length === channels) return zeroPoints;
  throw new UsageError(`the data has ${zeroPoints.length} channels and the network takes ${channels}`);
}
