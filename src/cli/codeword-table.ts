/** The table for people of layers whose filters are indices into a codebook. */
import type { LayerSummary } from '../nn/summary.js';
import { formatTable } from './output.js';

type CodewordLayer = Pick<
  LayerSummary,
  'name' | 'parameters' | 'weightBytes' | 'bitOps' | 'codewords' | 'indexBits' | 'sharedBitOps'
>;

/** Lines, none where no layer has a codebook. The last column shares the responses to codewords among output channels. */
export function codewordTable(layers: readonly CodewordLayer[]): string[] {
  const found = layers.filter(({ codewords }) => codewords !== undefined);
  if (found.length === 0) return [];
  const count = (value: number): string => value.toLocaleString('en');
  const table = formatTable(
    ['layer', 'codewords', 'index bits', 'bytes', 'bits per weight', 'bit operations', 'shared'],
    found.map(({ name, parameters, weightBytes, bitOps, codewords, indexBits, sharedBitOps }) => [
      ...[name, String(codewords), count(indexBits!), count(weightBytes), ((8 * weightBytes) / parameters).toFixed(3)],
      ...[count(bitOps), count(sharedBitOps!)],
    ]),
  );
  return [table, ''];
}
