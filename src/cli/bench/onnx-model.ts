/** An ONNX file as a peer's model: ONNX Runtime executes that very file, on random images. */
import { existsSync, readFileSync } from 'node:fs';
import type { OnnxValue } from '../../formats/onnx-model.js';
import { decodeOnnx } from '../../formats/onnx-reader.js';
import { UsageError } from '../../util/errors.js';
import { Philox } from '../../util/philox.js';
import type { OrtInput } from './ort.js';
import type { PeerModel } from './peer-model.js';

/** Throws a UsageError where there is no file, or where it takes something other than so many images. */
export function readOnnxModel(file: string, batch: number): PeerModel {
  if (!existsSync(file)) throw new UsageError(`there is no model '${file}'`);
  const bytes = readFileSync(file);
  const { inputs } = decodeOnnx(bytes, { name: file });
  return { bytes, inputs: Object.fromEntries(inputs.map((input) => [input.name, imagesFor(file, input, batch)])) };
}

function imagesFor(file: string, { name, type, shape: declared }: OnnxValue, batch: number): OrtInput {
  const [first, ...rest] = declared;
  if (typeof first === 'number' && first !== batch)
    throw new UsageError(`'${file}' takes ${first} images at a time, not ${batch}; give --batch ${first}`);
  const image = rest.filter((extent) => typeof extent === 'number');
  if (image.length < rest.length || (type !== 'uint8' && type !== 'float32'))
    throw new UsageError(`'${file}': its input '${name}' is ${type} [${declared.join(', ')}], not images of one size`);
  const shape = [batch, ...image];
  const random = new Philox(1, 'images');
  const levels = Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.nextInt(256));
  return { type, shape, data: type === 'uint8' ? levels : Float32Array.from(levels, (level) => level / 255) };
}
