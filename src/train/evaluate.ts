/** Accuracy and loss over a whole image set. */
import type { Loader } from '../data/loader.js';
import type { Evaluation } from './session.js';

export interface EvaluationResult {
  /** Share of images whose prediction is the label, 0..1. */
  readonly accuracy: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  readonly images: number;
  readonly correct: number;
}

interface Evaluator {
  evaluate(images: Uint8Array, labels: ArrayLike<number>, count: number): Promise<Evaluation>;
}

/** Runs over the loader's first epoch. `onImages` hears how many images are done. */
export async function evaluateAll(
  evaluator: Evaluator,
  loader: Loader,
  onImages: (done: number) => void = () => {},
): Promise<EvaluationResult> {
  let images = 0;
  let correct = 0;
  let loss = 0;
  for await (const batch of loader.batches(0)) {
    const { losses, predictions } = await evaluator.evaluate(batch.images, batch.labels, batch.count);
    for (let i = 0; i < batch.count; i++) {
      if (predictions[i] === batch.labels[i]) correct++;
      loss += losses[i]!;
    }
    images += batch.count;
    onImages(images);
  }
  return { accuracy: correct / images, loss: loss / images, images, correct };
}
