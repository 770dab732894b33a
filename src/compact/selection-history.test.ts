/** Which codewords were chosen when. */
import { expect, test } from 'vitest';
import type { MetricsLine } from '../train/metrics.js';
import { selectionHistory } from './selection-history.js';

const renewal = (step: number, added: number[], removed: number[]): MetricsLine => ({
  type: 'renewal',
  step,
  changes: { conv1: { added, removed } },
});

test('spans follow the changes, also of a codeword that goes and comes back', () => {
  const metrics = [renewal(1, [], []), renewal(26, [7], [3]), renewal(51, [3], [5]), renewal(76, [], [])];
  // Begins with 3 and 5, ends with 7 and 3.
  expect(selectionHistory(metrics, 'conv1', [7, 3])).toEqual({
    renewals: [
      { step: 1, changed: 0 },
      { step: 26, changed: 1 },
      { step: 51, changed: 1 },
      { step: 76, changed: 0 },
    ],
    spans: [
      {
        id: 3,
        chosen: [
          [0, 1],
          [2, 4],
        ],
      },
      { id: 7, chosen: [[1, 4]] },
      { id: 5, chosen: [[0, 2]] },
    ],
  });
});

test('a training without renewals has no history', () => {
  expect(selectionHistory([renewal(1, [], [])], 'conv2', [1])).toBeUndefined();
});
