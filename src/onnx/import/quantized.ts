/**
 * Quantized numbers in ONNX models: `Quant` and `BipolarQuant` of QONNX, and QuantizeLinear, (Clip,) DequantizeLinear. On constants
 * they give integers with a scale, on what is computed the levels of a quantizer of ours.
 */
import type { OnnxElementType, OnnxNode } from '../../formats/onnx-model.js';
import { type ActivationKind, activate } from '../../ops/activation/activation.js';
import { quantizeScaled } from '../../ops/quantize/learned.js';
import { roundHalfEven } from '../../ops/quantize/rounding.js';
import { quantizeSign } from '../../ops/quantize/weights.js';
import { axisOf, type Constant, elementTypeOf, placeAlong } from './constants.js';
import { attribute, type Computed, type Imported, type Importer, unsupported } from './importer.js';

interface Quantization {
  /** Real units per integer: one number, or one along `axis` (constants only). */
  readonly step: Constant;
  readonly axis: number;
  readonly zeroPoint: number;
  /** Of integers before the zero point is taken off. */
  readonly low: number;
  readonly high: number;
}

/** Quant(x, scale, zeroPoint, bits). */
export function quant(
  importer: Importer,
  node: OnnxNode,
  [x, scale, zeroPoint, bits]: readonly (Imported | undefined)[],
): Imported {
  const parameters = [scale, zeroPoint, bits].map((each, i) =>
    constantInput(node, each, ['scale', 'zero point', 'number of bits'][i]!),
  );
  const [step, zero, width] = parameters as [Constant, Constant, Constant];
  if (zero.data.some((each) => each !== zero.data[0])) throw unsupported(node, 'a zero point per channel');
  const mode = attribute(node, 'rounding_mode', 'text', 'ROUND').toUpperCase();
  if (mode !== 'ROUND' && mode !== 'HALF_EVEN') throw unsupported(node, `the rounding mode ${mode}`);
  const isSigned = attribute(node, 'signed', 'int', 1) === 1;
  const narrow = attribute(node, 'narrow', 'int', 0);
  const n = width.data[0]!;
  if (width.data.length !== 1 || !(Number.isInteger(n) && n >= 1 && n <= 32))
    throw unsupported(node, `a number of ${n} bits`);
  // As the qonnx package has it, and QKeras' binary() is exported: signed, one bit is -1 and 1.
  if (isSigned && n === 1) {
    if (zero.data[0] !== 0) throw unsupported(node, 'a zero point of one signed bit');
    return bipolarQuant(importer, node, [x, scale]);
  }
  const range = isSigned
    ? { low: narrow - 2 ** (n - 1), high: 2 ** (n - 1) - 1 }
    : { low: 0, high: 2 ** n - 1 - narrow };
  const rank = x!.kind === 'constant' ? x!.constant.shape.length : 4;
  const axis = axisOf(step, rank);
  if (axis === 'several') throw unsupported(node, 'a scale along several axes');
  const quantization = { step, axis: axis ?? 0, zeroPoint: zero.data[0]!, ...range };
  if (x!.kind === 'constant') return { kind: 'constant', constant: quantizedConstant(node, x!.constant, quantization) };
  return quantizedActivations(importer, node, x!, quantization);
}

/** scale where x >= 0, else -scale. */
export function bipolarQuant(
  importer: Importer,
  node: OnnxNode,
  [x, scale]: readonly (Imported | undefined)[],
): Imported {
  const step = constantInput(node, scale, 'scale');
  if (x!.kind === 'constant') {
    const axis = axisOf(step, x!.constant.shape.length);
    if (axis === 'several') throw unsupported(node, 'a scale along several axes');
    requireAlong(node, 'scale', step, x!.constant.shape, axis ?? 0);
    const integers = Int32Array.from(x!.constant.data, (each) => (each >= 0 ? 1 : -1));
    return {
      kind: 'constant',
      constant: withLevels(x!.constant.shape, integers, Float32Array.from(step.data), axis ?? 0),
    };
  }
  if (step.data.length !== 1) throw unsupported(node, 'a scale per channel of activations');
  const source = importer.real(x!, node);
  const stored = importer.storeReal(`${node.outputs[0]}/scale`, step.data);
  const value = importer.graph.apply(quantizeSign, importer.name(node.outputs[0]!), [source.value], {}, stored);
  return { ...source, value };
}

export function quantizeLinear(
  _: Importer,
  node: OnnxNode,
  [x, scale, zeroPoint]: readonly (Imported | undefined)[],
): Imported {
  const step = constantInput(node, scale, 'scale');
  const zero = zeroPoint && constantInput(node, zeroPoint, 'zero point');
  requireUnblocked(node);
  const { type, low, high } = integersOf(node, zero);
  const point = zero?.data[0] ?? 0;
  if (x!.kind === 'constant') {
    if (zero?.data.some((each) => each !== point)) throw unsupported(node, 'a zero point per channel');
    const axis = axisFrom(node, x!.constant.shape.length);
    // Rounded before the zero point comes in, unlike Quant.
    const around = { step, axis, zeroPoint: 0, low: low - point, high: high - point };
    const { levels } = quantizedConstant(node, x!.constant, around);
    const data = Float64Array.from(levels!.integers, (each) => each + point);
    return { kind: 'constant', constant: { shape: x!.constant.shape, data, type } };
  }
  if (step.data.length !== 1 || (zero?.data.length ?? 1) !== 1)
    throw unsupported(node, 'a scale per channel of activations');
  return { kind: 'integers', source: x!, step: step.data[0]!, zeroPoint: point, low, high };
}

export function dequantizeLinear(
  importer: Importer,
  node: OnnxNode,
  [x, scale, zeroPoint]: readonly (Imported | undefined)[],
): Imported {
  const step = constantInput(node, scale, 'scale');
  const zero = zeroPoint && constantInput(node, zeroPoint, 'zero point');
  requireUnblocked(node);
  if (x!.kind === 'constant') {
    const { shape, data } = x!.constant;
    const axis = axisFrom(node, shape.length);
    requireAlong(node, 'scale', step, shape, axis);
    if (zero) requireAlong(node, 'zero point', zero, shape, axis);
    const zeroOf = placeAlong(shape, axis, zero?.data.length ?? 1);
    const integers = Int32Array.from(data, (each, i) => each - (zero?.data[zeroOf(i)] ?? 0));
    return { kind: 'constant', constant: withLevels(shape, integers, Float32Array.from(step.data), axis) };
  }
  if (x!.kind === 'input') {
    const channels = importer.input.channels;
    // Along other axes than that of the channels, it has one number for all.
    const shape = Array.from(x!.axes, (letter) => (letter === 'C' ? channels : 1));
    const axis = axisFrom(node, shape.length);
    requireAlong(node, 'scale', step, shape, axis);
    if (zero) requireAlong(node, 'zero point', zero, shape, axis);
    const each = (constant: Constant | undefined): number[] =>
      Array.from({ length: channels }, (_, c) => constant?.data[constant.data.length === 1 ? 0 : c] ?? 0);
    return { ...x!, zeroPoints: each(zero), steps: each(step) };
  }
  if (x!.kind !== 'integers') throw unsupported(node, 'what no QuantizeLinear made');
  if (step.data[0] !== x!.step || (zero?.data[0] ?? 0) !== x!.zeroPoint)
    throw unsupported(node, 'another scale or zero point than the one of its QuantizeLinear');
  const { low, high, zeroPoint: point } = x!;
  return quantizedActivations(importer, node, x!.source, { step, axis: 0, zeroPoint: point, low, high });
}

/** The range that a Clip between QuantizeLinear and DequantizeLinear leaves. */
export function narrowed(tensor: Extract<Imported, { kind: 'integers' }>, low: number, high: number): Imported {
  return { ...tensor, low: Math.max(low, tensor.low), high: Math.min(high, tensor.high) };
}

function quantizedActivations(
  importer: Importer,
  node: OnnxNode,
  x: Imported,
  { step, zeroPoint, low, high }: Quantization,
): Computed {
  if (step.data.length !== 1) throw unsupported(node, 'a scale per channel of activations');
  if (!Number.isInteger(zeroPoint)) throw unsupported(node, `the zero point ${zeroPoint} of activations`);
  const type = { low: low - zeroPoint, high: high - zeroPoint };
  if (type.high - type.low > 255) throw unsupported(node, 'a quantizer of activations with more than 8 bits');
  if (type.low > 0 || type.high < 0) throw unsupported(node, 'a quantizer of activations without a zero');
  const source = importer.real(x, node);
  const ends = reachable(source, step.data[0]!, type);
  const name = importer.name(node.outputs[0]!);
  const scale = importer.storeReal(`${name}/scale`, step.data);
  const attributes = { ...ends, slope: 'rounded', factor: 1 } as const;
  return { ...source, value: importer.graph.apply(quantizeScaled, name, [source.value, scale], attributes, scale) };
}

/** Levels that a bounded function in front leaves: a type of 8 bits may carry 4 of them, as in our own QDQ files. */
function reachable({ value }: Computed, step: number, { low, high }: { low: number; high: number }) {
  if (value.node?.op !== activate) return { low, high };
  const { kind } = value.node.attributes as { readonly kind: ActivationKind };
  if (kind === 'relu') return { low: 0, high };
  if (kind !== 'clip' && kind !== 'cabs') return { low, high };
  return { low: 0, high: roundHalfEven(Math.fround(1 / step), high, 0) };
}

function quantizedConstant(
  node: OnnxNode,
  { shape, data }: Constant,
  { step, axis, zeroPoint, low, high }: Quantization,
): Constant {
  requireAlong(node, 'scale', step, shape, axis);
  const stepOf = placeAlong(shape, axis, step.data.length);
  // DoReFa's k bits: zero points that are halves make twice the integer whole.
  const factor = Number.isInteger(zeroPoint) ? 1 : 2;
  if (!Number.isInteger(factor * zeroPoint)) throw unsupported(node, `the zero point ${zeroPoint}`);
  const integers = Int32Array.from(data, (each, i) => {
    const shifted = Math.fround(Math.fround(each / step.data[stepOf(i)]!) + zeroPoint);
    return factor * (roundHalfEven(shifted, high, low) - zeroPoint);
  });
  return withLevels(
    shape,
    integers,
    Float32Array.from(step.data, (each) => each / factor),
    axis,
  );
}

function withLevels(shape: readonly number[], integers: Int32Array, scale: Float32Array, axis: number): Constant {
  const scaleOf = placeAlong(shape, axis, scale.length);
  const data = Float64Array.from(integers, (each, i) => Math.fround(each * scale[scaleOf(i)]!));
  return { shape, data, levels: { integers, scale, axis } };
}

function requireUnblocked(node: OnnxNode): void {
  if (attribute(node, 'block_size', 'int', 0) !== 0) throw unsupported(node, 'block_size');
}

/** The integers that QuantizeLinear makes: of the zero point's type, or else of output_dtype: uint8 without both. */
function integersOf(
  node: OnnxNode,
  zeroPoint: Constant | undefined,
): { type: OnnxElementType; low: number; high: number } {
  const stated = attribute(node, 'output_dtype', 'int', 0);
  const named = stated === 0 ? 'uint8' : elementTypeOf(stated);
  if (named === undefined) throw unsupported(node, `output_dtype ${stated}`);
  const type = zeroPoint === undefined ? named : zeroPoint.type;
  if (type === undefined) throw unsupported(node, 'a zero point whose type the model does not tell');
  const found = /^(u?)int(2|4|8|16)$/.exec(type);
  if (found === null) throw unsupported(node, `the type ${type}`);
  const bits = Number(found[2]);
  return found[1]
    ? { type, low: 0, high: 2 ** bits - 1 }
    : { type, low: -(2 ** (bits - 1)), high: 2 ** (bits - 1) - 1 };
}

/** One number for all, or one for each place along the axis. */
function requireAlong(node: OnnxNode, what: string, { data }: Constant, shape: readonly number[], axis: number): void {
  if (data.length !== 1 && data.length !== shape[axis])
    throw unsupported(
      node,
      `a ${what} of ${data.length} numbers along axis ${axis} of the shape [${shape.join(', ')}]`,
    );
}

function axisFrom(node: OnnxNode, rank: number): number {
  const axis = attribute(node, 'axis', 'int', 1);
  return rank === 0 ? 0 : axis < 0 ? axis + rank : Math.min(axis, rank - 1);
}

export function constantInput(node: OnnxNode, tensor: Imported | undefined, what: string): Constant {
  if (tensor?.kind !== 'constant') throw unsupported(node, `a ${what} that is not a constant`);
  return tensor.constant;
}
