/**
 * Binary 3x3 filters from a sub-codebook of n of the 512 sign patterns (Sparks, papers 2.2 to 2.4): below one bit per weight. What is not 3x3
 * or has more bits is quantized as without a sub-codebook.
 *
 *     y = scale * u        u the nearest codeword, scale mean|filter| of the layer or of each output channel
 *
 * Gradients go through grouping straight, clipped to |filter| <= 1, and not through the scale. In training the selection's nodes stand
 * in front of the first layer that uses it; they run in steps that renew it (passes/renewal-nodes.ts).
 */
import type { Value } from '../../core/graph.js';
import { real, type TypedArray } from '../../core/tensor.js';
import { codewordTaps, isPositive, numCodewords } from '../../ops/codewords.js';
import { meanAbs, meanAbsPerChannel } from '../../ops/quantize/weights.js';
import { assign } from '../../ops/selection/assign.js';
import { groupFilters } from '../../ops/selection/group-filters.js';
import { addGumbelNoise } from '../../ops/selection/gumbel-noise.js';
import { renewPatterns } from '../../ops/selection/renew-patterns.js';
import { selectedCodewords } from '../../ops/selection/selected-codewords.js';
import { sinkhorn } from '../../ops/selection/sinkhorn.js';
import { SubbitError } from '../../util/errors.js';
import { Philox, streamOf } from '../../util/philox.js';
import type { Scope } from '../scope.js';
import { logitsOf, type Selection, selectionNames } from '../selection.js';
import { dorefaWeights } from './dorefa.js';
import type { Quantizer } from './quantizer.js';

export const codebookWeights: Quantizer = {
  name: 'codebook',
  description: '1 bit, 3x3: the nearest of n codewords; everything else as dorefa',
  quantize(scope, name, filter, bits) {
    const { graph, selection, training } = scope;
    if (selection === undefined) throw new SubbitError(`${name}: a codebook needs the settings of its selection`);
    const [height, width] = filter.type.shape;
    if (bits !== 1 || height !== 3 || width !== 3) return dorefaWeights.quantize(scope, name, filter, bits);
    const group = selection.share === 'layer' ? name : name.slice(0, name.indexOf('/'));
    const ids = scope.shared(selectionNames(group).ids, () => subCodebook(scope, group, selection));
    const scale =
      selection.scale === 'layer'
        ? graph.apply(meanAbs, `${name}/scale`, [filter], {})
        : graph.apply(meanAbsPerChannel, `${name}/scale`, [filter], {});
    const attributes = {
      ...(training && { pull: selection.pull }),
      ...(selection.scale === 'channel' && { scaleAxis: 'last' as const }),
    };
    return graph.apply(groupFilters, `${name}/grouped`, [filter, ids], attributes, scale);
  },
};

/** The ids of a sub-codebook; in training as its selection has just chosen them. */
function subCodebook({ graph, training, seed, step }: Scope, group: string, selection: Selection): Value {
  const names = selectionNames(group);
  const { codewords, method } = selection;
  const variable = (name: string, type: Value['type'], initialize: (data: TypedArray) => void, isTrained = false) =>
    graph.variable(name, type, { role: isTrained ? 'selection' : 'state', initialize });
  const first = (): number[] => randomCodewords(codewords, new Philox(seed, names.ids));
  const ids = variable(names.ids, { dtype: 'i32', shape: [codewords] }, (data) => data.set(first()));
  if (!training) return ids;
  const random = { seed, stream: streamOf(names.ids) };
  if (method === 'learned') {
    const duals = variable(names.duals, real([numCodewords]), () => {});
    const square = real([numCodewords, numCodewords]);
    const logits = variable(names.logits, square, (data) => data.set(logitsOf(first())), true);
    const { noise, temperature, sweeps, columns } = selection;
    const noisy =
      noise === 0 ? logits : graph.apply(addGumbelNoise, `${group}/noisy`, [logits, step], { noise, ...random });
    const plan = graph.apply(sinkhorn, `${group}/plan`, [noisy], { temperature, sweeps });
    graph.add(assign, `${group}/assignment`, [plan, ids, duals], { columns });
    return graph.apply(selectedCodewords, `${group}/selected`, [ids, plan], {});
  }
  if (method === 'patterns') {
    const patterns = variable(
      names.patterns,
      real([codewords, codewordTaps]),
      (data) => data.set(patternsOf(first())),
      true,
    );
    graph.add(renewPatterns, `${group}/renewed`, [patterns, ids, step], random);
    return graph.apply(selectedCodewords, `${group}/selected`, [ids, patterns], {});
  }
  return ids;
}

/** Distinct ids, ascending. */
function randomCodewords(count: number, random: Philox): number[] {
  const ids = Array.from({ length: numCodewords }, (_, id) => id);
  random.shuffle(ids);
  return ids.slice(0, count).sort((a, b) => a - b);
}

/** Patterns with the signs of codewords, [n, 9]. */
export function patternsOf(ids: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: ids.length * codewordTaps }, (_, i) =>
    isPositive(ids[Math.floor(i / codewordTaps)]!, i % codewordTaps) ? 1 : -1,
  );
}
