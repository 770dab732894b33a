/**
 * QONNX (https://github.com/fastmachinelearning/qonnx): the operators Quant and BipolarQuant take real numbers to the real numbers that their
 * integers stand for. The model brings both along as functions, so that it runs in stock ONNX Runtime, too.
 *
 *     Quant          (round(clamp(x / scale + zeroPoint, low, high)) - zeroPoint) * scale       low, high: of the bits, signed, narrow
 *     BipolarQuant   scale where x >= 0, else -scale
 *
 * Filters of one bit are bipolar. DoReFa's filters of k bits stand for the odd integers from -(2^k - 1) to 2^k - 1, which no integer zero point
 * gives in k bits: they are unsigned with the zero point (2^k - 1) / 2 and twice the step. The half is exact, and the operator's definition
 * allows it; 8-bit filters are the odd integers from -255 to 255 in that way. A signed Quant would need one more bit.
 */
import { maxLevel } from '../../core/tensor.js';
import type { OnnxFunction, OnnxNode } from '../../formats/onnx-model.js';
import type { OnnxDialect } from './dialect.js';
import { zeroPointsOf } from './qdq.js';

const domain = 'qonnx.custom_op.general';

const node = (
  op: string,
  output: string,
  inputs: readonly string[],
  attributes: OnnxNode['attributes'] = {},
): OnnxNode => ({
  op,
  inputs,
  outputs: [output],
  attributes,
});

const float = (output: string, value: number): OnnxNode =>
  node('Constant', output, [], { value_float: { float: value } });

/** An attribute of the function, 0 or 1, as a float. */
const flag = (name: string): OnnxNode[] => [
  node('Constant', `${name}_integer`, [], { value_int: { intOf: name } }),
  node('Cast', name, [`${name}_integer`], { to: { int: 1 } }),
];

/** low = signed (narrow - 2^(bits - 1)), high = signed (2^(bits - 1) - 1) + (1 - signed) (2^bits - 1 - narrow) */
const quant: OnnxFunction = {
  domain,
  name: 'Quant',
  inputs: ['x', 'scale', 'zero_point', 'bits'],
  outputs: ['y'],
  attributes: ['signed', 'narrow', 'rounding_mode'],
  nodes: [
    ...flag('signed'),
    ...flag('narrow'),
    float('one', 1),
    float('two', 2),
    node('Sub', 'bits_less_one', ['bits', 'one']),
    node('Pow', 'half', ['two', 'bits_less_one']),
    node('Pow', 'whole', ['two', 'bits']),
    node('Sub', 'signed_low', ['narrow', 'half']),
    node('Mul', 'low', ['signed', 'signed_low']),
    node('Sub', 'half_less_one', ['half', 'one']),
    node('Mul', 'signed_high', ['signed', 'half_less_one']),
    node('Sub', 'whole_less_one', ['whole', 'one']),
    node('Sub', 'unsigned_most', ['whole_less_one', 'narrow']),
    node('Sub', 'unsigned', ['one', 'signed']),
    node('Mul', 'unsigned_high', ['unsigned', 'unsigned_most']),
    node('Add', 'high', ['signed_high', 'unsigned_high']),
    node('Div', 'steps', ['x', 'scale']),
    node('Add', 'shifted', ['steps', 'zero_point']),
    node('Max', 'above_low', ['shifted', 'low']),
    node('Min', 'clamped', ['above_low', 'high']),
    node('Round', 'rounded', ['clamped']),
    node('Sub', 'integer', ['rounded', 'zero_point']),
    node('Mul', 'y', ['integer', 'scale']),
  ],
};

const bipolarQuant: OnnxFunction = {
  domain,
  name: 'BipolarQuant',
  inputs: ['x', 'scale'],
  outputs: ['y'],
  attributes: [],
  nodes: [
    float('zero', 0),
    node('GreaterOrEqual', 'positive', ['x', 'zero']),
    node('Neg', 'negative_scale', ['scale']),
    node('Where', 'y', ['positive', 'scale', 'negative_scale']),
  ],
};

export const qonnx: OnnxDialect = {
  description:
    'Quant and BipolarQuant, which QONNX, FINN and hls4ml read; ONNX Runtime runs them as functions of the model',
  // The qonnx package knows fixed shapes only.
  batch: 1,
  domains: { [domain]: 1 },
  functions: [quant, bipolarQuant],
  activations(emitter, name, x, encoding, scale) {
    const parameters = [Math.fround(encoding.step * scale), zeroPointsOf(encoding)[0]!, bitsOf(encoding.max)];
    const [step, zero, bits] = ['scale', 'zero', 'bits'].map((part, i) =>
      emitter.store(`${name}/${part}`, parameters[i]!),
    );
    // A largest level that is not 2^bits - 1 is the end of a narrower range.
    const bounded =
      encoding.max === maxLevel(parameters[2]!)
        ? x
        : emitter.add('Min', `${name}/bounded`, [
            x,
            emitter.store(`${name}/high`, (encoding.max - parameters[1]!) * parameters[0]!),
          ]);
    return emitter.add('Quant', name, [bounded, step!, zero!, bits!], unsigned, domain);
  },
  filter(emitter, name, { shape, integers, encoding, scale }) {
    const channels = integers.length / shape[0]!;
    const scaleOf = (i: number): number => scale[scale.length === 1 ? 0 : Math.floor(i / channels)]!;
    const values = { shape, data: Float32Array.from(integers, (each, i) => each * scaleOf(i)) };
    const isBipolar = encoding.kind === 'bipolar';
    const factor = isBipolar && encoding.max > 1 ? 2 : 1;
    const stored = {
      shape: scale.length === 1 ? [] : [scale.length, 1, 1, 1],
      data: scale.map((each) => factor * each),
    };
    const inputs = [emitter.store(`${name}/values`, values), emitter.store(`${name}/scale`, stored)];
    if (isBipolar && encoding.max === 1) return emitter.add('BipolarQuant', name, inputs, {}, domain);
    const zero = isBipolar ? encoding.max / 2 : zeroPointsOf(encoding)[0]!;
    inputs.push(emitter.store(`${name}/zero`, zero), emitter.store(`${name}/bits`, bitsOf(encoding.max)));
    return emitter.add('Quant', name, inputs, unsigned, domain);
  },
};

const unsigned = { signed: { int: 0 }, narrow: { int: 0 }, rounding_mode: { text: 'ROUND' } };

/** That levels up to `max` need. */
function bitsOf(max: number): number {
  return Math.ceil(Math.log2(max + 1));
}
