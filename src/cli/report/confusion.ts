/** Which classes a network takes for which, and the test images that it is most wrong about. */
import type { ImageSet } from '../../data/index.js';
import { resizeImage } from '../../image/resize.js';
import type { Classification } from '../../runtime/classification.js';
import { escaped } from './page.js';
import { type Picture, picture } from './pictures.js';

export interface Confusion {
  readonly classes: readonly string[];
  /** [label][predicted] */
  readonly counts: readonly (readonly number[])[];
  /** The surest of the wrong answers first. */
  readonly mistakes: readonly Mistake[];
}

export interface Mistake {
  readonly label: string;
  readonly predicted: string;
  readonly probability: number;
  readonly image: Picture;
}

const mostMistakes = 24;
const mostPixels = 64;

/** `predictions` of all images of the set. */
export function confusionOf(
  set: ImageSet,
  predictions: readonly Classification[],
  classes: readonly string[],
): Confusion {
  const counts = classes.map(() => classes.map(() => 0));
  for (const [i, { label }] of predictions.entries()) counts[set.labels[i]!]![label]!++;
  const wrong = predictions
    .map((prediction, index) => ({ prediction, index }))
    .filter(({ prediction, index }) => prediction.label !== set.labels[index])
    .sort((a, b) => b.prediction.probability - a.prediction.probability)
    .slice(0, mostMistakes);
  const mistakes = wrong.map(({ prediction, index }): Mistake => {
    const label = classes[set.labels[index]!]!;
    const { class: predicted, probability } = prediction;
    return { label, predicted, probability, image: thumbnail(set, index, `${label}, taken for ${predicted}`) };
  });
  return { classes, counts, mistakes };
}

function thumbnail(set: ImageSet, index: number, description: string): Picture {
  const { height, width, channels } = set;
  const size = height * width * channels;
  const pixels = set.images.subarray(index * size, (index + 1) * size);
  const factor = mostPixels / Math.max(height, width);
  if (factor >= 1) return { pixels, shape: { height, width, channels }, description };
  const to = { height: Math.max(1, Math.round(height * factor)), width: Math.max(1, Math.round(width * factor)) };
  return { pixels: resizeImage(pixels, set, to), shape: { ...to, channels }, description };
}

/** More classes than these have no matrix, but the list of what is most often confused. */
const mostColumns = 25;
const mostPairs = 20;

export function confusionHtml({ classes, counts, mistakes }: Confusion): string {
  const examples = mistakes.map(
    ({ label, predicted, probability, image }) =>
      `<figure style="width: 76px">${picture(image, 76)}<figcaption>${escaped(label)}<br>→ ${escaped(predicted)}<br>${(100 * probability).toFixed(0)} %</figcaption></figure>`,
  );
  return `${classes.length <= mostColumns ? matrix(classes, counts) : pairs(classes, counts)}
${mistakes.length === 0 ? '<p>No test image is told wrong.</p>' : `<h3>The surest mistakes</h3>\n<div class="tiles">${examples.join('\n')}</div>`}`;
}

/** Rows: what it is. Columns: what the network says. Shades are shares of a row. */
function matrix(classes: readonly string[], counts: Confusion['counts']): string {
  const numbers = classes.map((name, i) => `<th title="${escaped(name)}">${i}</th>`).join('');
  const rows = counts.map((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count, predicted) => {
      const colour = label === predicted ? 'var(--accent)' : 'var(--second)';
      const share = total === 0 ? 0 : Math.round((60 * count) / total);
      const title = `${classes[label]} taken for ${classes[predicted]}`;
      return `<td title="${escaped(title)}" style="background: color-mix(in srgb, ${colour} ${share}%, transparent)">${count === 0 ? '' : count}</td>`;
    });
    const name = classes[label] === String(label) ? '' : ` ${classes[label]}`;
    return `<tr><td>${label}${escaped(name)}</td>${cells.join('')}</tr>`;
  });
  return `<p>Rows: what an image is; columns: what the network says, by the number of the class.</p>
<div class="wide"><table class="matrix">\n<tr><th></th>${numbers}</tr>\n${rows.join('\n')}\n</table></div>`;
}

function pairs(classes: readonly string[], counts: Confusion['counts']): string {
  const found = counts.flatMap((row, label) =>
    row.flatMap((count, predicted) => (label === predicted || count === 0 ? [] : [{ label, predicted, count }])),
  );
  const most = found.sort((a, b) => b.count - a.count).slice(0, mostPairs);
  const rows = most.map(
    ({ label, predicted, count }) =>
      `<tr><td>${escaped(classes[label]!)}</td><td>${escaped(classes[predicted]!)}</td><td>${count}</td></tr>`,
  );
  return `<div class="wide"><table>\n<tr><th>is</th><th>taken for</th><th>images</th></tr>\n${rows.join('\n')}\n</table></div>`;
}
