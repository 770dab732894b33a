/**
 * Between grey and colour. Grey becomes three equal channels; colour becomes its luminance after ITU-R BT.601,
 * 0.299 R + 0.587 G + 0.114 B, in 16-bit integer weights that sum to 2^16, rounded half to even. Transparent pixels are seen
 * on white.
 */
import { shiftHalfEven } from './resize.js';

const redWeight = 19595;
const greenWeight = 38470;
const blueWeight = 7471;

export function luminance(red: number, green: number, blue: number): number {
  return shiftHalfEven(redWeight * red + greenWeight * green + blueWeight * blue, 16);
}

/** Writes `pixels` colour pixels at `input[inputAt..]` as grey ones to `output[outputAt..]`. */
export function colourToGrey(
  input: Uint8Array,
  inputAt: number,
  output: Uint8Array,
  outputAt: number,
  pixels: number,
): void {
  for (let i = 0; i < pixels; i++) {
    const at = inputAt + 3 * i;
    output[outputAt + i] = luminance(input[at] as number, input[at + 1] as number, input[at + 2] as number);
  }
}

/** Writes `pixels` grey pixels at `input[inputAt..]` as colour ones to `output[outputAt..]`. */
export function greyToColour(
  input: Uint8Array,
  inputAt: number,
  output: Uint8Array,
  outputAt: number,
  pixels: number,
): void {
  let out = outputAt;
  for (let i = inputAt; i < inputAt + pixels; i++) {
    const grey = input[i] as number;
    output[out] = grey;
    output[out + 1] = grey;
    output[out + 2] = grey;
    out += 3;
  }
}

/**
 * Writes `pixels` pixels of `colours` channels and alpha at `input[inputAt..]` without alpha to `output[outputAt..]`:
 * (alpha * colour + (255 - alpha) * 255) / 255, rounded.
 */
export function blendOverWhite(
  input: Uint8Array,
  inputAt: number,
  output: Uint8Array,
  outputAt: number,
  pixels: number,
  colours: number,
): void {
  let at = inputAt;
  let out = outputAt;
  for (let i = 0; i < pixels; i++) {
    const alpha = input[at + colours] as number;
    for (let c = 0; c < colours; c++) {
      const blended = alpha * (input[at + c] as number) + (255 - alpha) * 255;
      output[out++] = Math.floor((blended + 127) / 255);
    }
    at += colours + 1;
  }
}
