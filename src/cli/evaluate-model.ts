/** Accuracy and loss of a deployed network over an image set. */
import type { ImageSet } from '../data/index.js';
import type { DeployedModel } from '../runtime/model.js';
import type { EvaluationResult } from '../train/evaluate.js';

/** `set` is prepared to the model's input. `onImages` hears how many images are done. */
export async function evaluateModel(
  model: DeployedModel,
  set: ImageSet,
  onImages: (done: number) => void = () => {},
): Promise<EvaluationResult> {
  const numClasses = model.classes.length;
  const imageBytes = set.images.length / set.count;
  const integers = new Int32Array(model.batch * numClasses);
  let correct = 0;
  let loss = 0;
  for (let first = 0; first < set.count; first += model.batch) {
    const count = Math.min(model.batch, set.count - first);
    const images = set.images.subarray(first * imageBytes, (first + count) * imageBytes);
    await model.run(images, integers.subarray(0, count * numClasses));
    for (let i = 0; i < count; i++) {
      const row = integers.subarray(i * numClasses, (i + 1) * numClasses);
      const label = set.labels[first + i]!;
      const highest = row.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
      if (row.indexOf(highest) === label) correct++;
      const total = row.reduce((sum, value) => sum + Math.exp((value - highest) * model.step), 0);
      loss += Math.log(total) - (row[label]! - highest) * model.step;
    }
    onImages(first + count);
  }
  return { accuracy: correct / set.count, loss: loss / set.count, images: set.count, correct };
}
