/** The tab that trains: settings, curves, and the network that comes of it. */
import { Curve } from './curve.js';
import { byId, element, kilobytes } from './elements.js';
import type { TrainedNetwork, TrainingMessage, TrainingRequest } from './training.js';

const bitChoices = [1, 2, 3, 4, 5, 6, 7, 8, 32];
/** Of each kind of tensor: the fewest bits that it may have, and those that the page begins with. */
const tensors = { weight: [1, 1], activation: [1, 2], gradient: [2, 4] } as const;

/** The curve of losses is their mean with this weight of the newest. */
const smoothing = 0.05;

/** `use` takes a trained network where it can be tried. */
export function startTrain(use: (bytes: Uint8Array, name: string) => void): void {
  const start = byId('start', HTMLButtonElement);
  const status = byId('status', HTMLElement);
  const progress = byId('progress', HTMLProgressElement);
  const lossCurve = new Curve(byId('loss-plot', HTMLElement), (value) => value.toPrecision(2));
  const accuracyCurve = new Curve(byId('accuracy-plot', HTMLElement), (value) => `${+(100 * value).toFixed(1)} %`);
  const bitsOf = Object.entries(tensors).map(([role, [fewest, first]]) => {
    const slider = byId(`${role}-bits`, HTMLInputElement);
    const [min, value] = [bitChoices.indexOf(fewest), bitChoices.indexOf(first)];
    Object.assign(slider, { min, max: bitChoices.length - 1, value });
    const chosen = (): number => bitChoices[slider.valueAsNumber]!;
    showValue(slider, byId(`${role}-shown`, HTMLOutputElement), () =>
      chosen() === 32 ? 'float' : `${chosen()} ${chosen() === 1 ? 'bit' : 'bits'}`,
    );
    return chosen;
  });
  const epochs = byId('epochs', HTMLInputElement);
  showValue(epochs, byId('epochs-shown', HTMLOutputElement), () => epochs.value);

  let worker: Worker | undefined;
  let trained: TrainedNetwork | undefined;
  let totalSteps = 1;
  let began = 0;
  let meanLoss: number | undefined;
  let lastAccuracy = 0;
  let backend = '';

  function end(text: string): void {
    worker?.terminate();
    worker = undefined;
    start.textContent = 'Train again';
    start.disabled = false;
    status.textContent = text;
  }

  const take: { [T in TrainingMessage['type']]: (message: Extract<TrainingMessage, { type: T }>) => void } = {
    begin(message) {
      ({ totalSteps, backend } = message);
      began = performance.now();
    },
    losses({ step, losses }) {
      const from = step - losses.length;
      const points = losses.map((loss, i): [number, number] => {
        meanLoss = meanLoss === undefined ? loss : meanLoss + smoothing * (loss - meanLoss);
        return [from + i + 1, meanLoss];
      });
      lossCurve.add(points);
      progress.value = step / totalSteps;
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const accuracy = lastAccuracy > 0 ? `, accuracy ${percent(lastAccuracy)}` : '';
      status.textContent = `step ${step} of ${totalSteps}, loss ${meanLoss!.toFixed(3)}${accuracy}, ${seconds} s on ${backend}`;
    },
    accuracy({ step, accuracy }) {
      lastAccuracy = accuracy;
      accuracyCurve.add([[step, accuracy]]);
    },
    trained(message) {
      trained = message;
      const { name, bytes, accuracy, seconds } = message;
      byId('trained', HTMLElement).hidden = false;
      byId('trained-facts', HTMLElement).textContent =
        `${name}: ${kilobytes(bytes.length)}, integer from the image to the result, ${percent(accuracy)} of the test images right.`;
      byId('roundings', HTMLElement).replaceChildren(...message.roundings.map((each) => element('li', each)));
      end(`Trained in ${seconds.toFixed(1)} s on ${backend}; accuracy ${percent(lastAccuracy)}.`);
    },
    failed({ message }) {
      end(message);
    },
  };

  byId('settings', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    if (worker !== undefined) {
      worker.postMessage({ type: 'stop' } satisfies TrainingRequest);
      start.disabled = true;
      return;
    }
    byId('trained', HTMLElement).hidden = true;
    lossCurve.clear();
    accuracyCurve.clear();
    [meanLoss, lastAccuracy, progress.value] = [undefined, 0, 0];
    start.textContent = 'Stop';
    status.textContent = 'Fetching the kernels ...';
    worker = new Worker(new URL('./training-worker.js', import.meta.url), { type: 'module' });
    worker.addEventListener('message', ({ data }: MessageEvent<TrainingMessage>) => take[data.type](data as never));
    worker.addEventListener('error', ({ message }) => end(message));
    const bits = bitsOf.map((chosen) => chosen()).join('-');
    worker.postMessage({
      type: 'start',
      settings: { bits, epochs: epochs.valueAsNumber },
    } satisfies TrainingRequest);
  });

  byId('download', HTMLElement).addEventListener('click', () => {
    if (trained === undefined) return;
    const link = element('a');
    link.href = URL.createObjectURL(new Blob([trained.bytes as Uint8Array<ArrayBuffer>]));
    link.download = trained.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  byId('use', HTMLElement).addEventListener('click', () => {
    if (trained !== undefined) use(trained.bytes, trained.name);
  });
}

/** Keeps a slider's value in sight, and in the hearing of screen readers. */
function showValue(slider: HTMLInputElement, output: HTMLOutputElement, text: () => string): void {
  const show = (): void => {
    output.textContent = text();
    slider.setAttribute('aria-valuetext', text());
  };
  slider.addEventListener('input', show);
  show();
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
