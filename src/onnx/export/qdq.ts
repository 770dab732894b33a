/**
 * QDQ: QuantizeLinear and DequantizeLinear around everything that is quantized, as ONNX Runtime and quantization tools write it. Filters
 * have the smallest standard type that holds their integers; a filter of k bits holds the odd integers from -(2^k - 1) to 2^k - 1, so 8
 * bits need int16. Levels of activations are uint8 whatever their bits: ONNX Runtime (1.30, 1.32) does not load a Clip in front of a QuantizeLinear to
 * uint4 ("Unexpected data type for QuantizeLinear input y_zero_point").
 */
import { type Encoding, operandOf } from '../../core/tensor.js';
import type { OnnxElementType } from '../../formats/onnx-model.js';
import type { OnnxDialect } from './dialect.js';
import type { Emitter } from './emitter.js';

type IntegerType = Extract<OnnxElementType, `int${2 | 4 | 8 | 16}`>;

/** With their ranges and the first version of the standard operators that has them; the smallest first. */
const filterTypes = [
  { type: 'int2', low: -2, high: 1, opset: 25, array: Int8Array },
  { type: 'int4', low: -8, high: 7, opset: 21, array: Int8Array },
  { type: 'int8', low: -128, high: 127, opset: 10, array: Int8Array },
  { type: 'int16', low: -32768, high: 32767, opset: 21, array: Int16Array },
] as const satisfies readonly { type: IntegerType; [key: string]: unknown }[];

export function qdqOf(opset: number): OnnxDialect {
  return {
    description: 'QuantizeLinear and DequantizeLinear, which ONNX Runtime runs',
    batch: 'N',
    domains: {},
    functions: [],
    activations(emitter, name, x, encoding, scale) {
      const real = Math.fround(encoding.step * scale);
      const [zero] = zeroPointsOf(encoding) as [number];
      // The type saturates at 255.
      const bounded =
        encoding.max === 255 ? x : clamped(emitter, name, x, real, { low: -zero, high: encoding.max - zero });
      const parameters = [
        emitter.store(`${name}/step`, real),
        emitter.store(`${name}/zero`, { shape: [], data: Uint8Array.of(zero) }),
      ];
      const levels = emitter.add('QuantizeLinear', name, [bounded, ...parameters]);
      return emitter.add('DequantizeLinear', `${name}/real`, [levels, ...parameters]);
    },
    filter(emitter, name, { shape, integers, scale }) {
      const [low, high] = [Math.min(...extremes(integers)), Math.max(...extremes(integers))];
      const { type, array } = filterTypes.find((each) => low >= each.low && high <= each.high && each.opset <= opset)!;
      const perChannel = scale.length > 1;
      const inputs = [
        emitter.store(`${name}/integers`, { shape, data: array.from(integers), type }),
        emitter.store(`${name}/scale`, { shape: perChannel ? [scale.length] : [], data: scale }),
      ];
      return emitter.add('DequantizeLinear', name, inputs, perChannel ? { axis: { int: 0 } } : {});
    },
  };
}

/** The level of zero, for all channels or for each. */
export function zeroPointsOf(encoding: Encoding): readonly number[] {
  const { offset } = operandOf({ dtype: 'u8', shape: [], encoding });
  return (encoding.zeroPoints ?? [0]).map((_, channel) => offset[channel as 0]);
}

/** Real numbers from that of the integer `low` to that of `high`. */
function clamped(
  emitter: Emitter,
  name: string,
  x: string,
  step: number,
  { low, high }: { readonly low: number; readonly high: number },
): string {
  const ends = [emitter.store(`${name}/low`, low * step), emitter.store(`${name}/high`, high * step)];
  return emitter.add('Clip', `${name}/bounded`, [x, ...ends]);
}

function extremes(integers: Int16Array): [number, number] {
  return [
    integers.reduce((least, each) => Math.min(least, each), 0),
    integers.reduce((most, each) => Math.max(most, each), 0),
  ];
}
