/** The list of test cases of all ops. A new op's cases are a file beside it and a line below. */
import type { OpCase } from '../core/op-case.js';
import { activationCases } from './activation/activation.cases.js';
import { batchNormCases } from './batch-norm/batch-norm.cases.js';
import { concatCases } from './concat/concat.cases.js';
import { conv2dCases } from './conv2d/conv2d.cases.js';
import { dropoutCases } from './dropout/dropout.cases.js';
import { elementwiseCases } from './elementwise/elementwise.cases.js';
import { filterCases } from './filter/filter.cases.js';
import { filterGradientCases } from './filter-gradient/filter-gradient.cases.js';
import { integerCases } from './integer/integer.cases.js';
import { integerConv2dCases } from './integer-conv2d/integer-conv2d.cases.js';
import { measureCeilingCases } from './measure-ceiling/measure-ceiling.cases.js';
import { normalizeQuantizeCases } from './normalize-quantize/normalize-quantize.cases.js';
import { optimizerCases } from './optimizer/optimizer.cases.js';
import { packedConv2dCases } from './packed-conv2d/packed-conv2d.cases.js';
import { poolCases } from './pool/pool.cases.js';
import { learnedCases } from './quantize/learned.cases.js';
import { quantizeCases } from './quantize/quantize.cases.js';
import { routedConv2dCases } from './routed-conv2d/routed-conv2d.cases.js';
import { rpreluCases } from './rprelu/rprelu.cases.js';
import { selectionCases } from './selection/selection.cases.js';
import { shortcutCases } from './shortcut/shortcut.cases.js';
import { softmaxCases } from './softmax/softmax.cases.js';

export const cases: readonly OpCase[] = [
  ...conv2dCases,
  ...filterGradientCases,
  ...integerConv2dCases,
  ...integerCases,
  ...packedConv2dCases,
  ...filterCases,
  ...routedConv2dCases,
  ...elementwiseCases,
  ...activationCases,
  ...rpreluCases,
  ...batchNormCases,
  ...quantizeCases,
  ...learnedCases,
  ...normalizeQuantizeCases,
  ...poolCases,
  ...shortcutCases,
  ...concatCases,
  ...dropoutCases,
  ...softmaxCases,
  ...optimizerCases,
  ...selectionCases,
  ...measureCeilingCases,
];
