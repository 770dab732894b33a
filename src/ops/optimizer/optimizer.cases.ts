import {
  normal,
  type OpCase,
  opCase,
  realInput,
  severalPieces,
  stepInput,
  uniform,
  values,
} from '../../core/op-case.js';
import { adamStep, sgdStep } from './optimizer.js';

const counts = [1, 17, severalPieces];
const learningRate = realInput([1], values(0.05));

export const optimizerCases: readonly OpCase[] = counts.flatMap((count) => {
  const tensor = (deviation: number) => realInput([count], normal(deviation));
  return [
    ...[true, false].flatMap((nesterov) =>
      [0, 1e-4].map((decay) =>
        opCase(
          sgdStep,
          `${count}, ${nesterov ? 'nesterov' : 'plain'}, decay ${decay}`,
          [tensor(0.1), tensor(0.01), tensor(0.01), learningRate],
          { momentum: 0.9, nesterov, decay },
        ),
      ),
    ),
    // The first step begins with zero moments; the corrections fade with the steps.
    ...[false, true].flatMap((isDecoupled) =>
      [0, 1, 7, 4721, 944_199].map((step) =>
        opCase(
          adamStep,
          `${count}, step ${step}${isDecoupled ? ', decoupled decay' : ''}`,
          [
            tensor(0.1),
            realInput([count], step === 0 ? values(0) : normal(0.01)),
            realInput([count], step === 0 ? values(0) : uniform(0, 1e-4)),
            tensor(0.01),
            learningRate,
            stepInput(step),
          ],
          {
            ...{ beta1: 0.9, beta2: 0.999, epsilon: step % 2 === 0 ? 1e-5 : 1e-8, isDecoupled },
            decay: isDecoupled ? 0.01 : step === 7 ? 1e-7 : 0,
          },
        ),
      ),
    ),
  ];
});
