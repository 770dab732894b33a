/** The tab that shows what a network makes of a picture: drawn, dropped, or from the camera. */
import { type DeployedModel, SubbitError } from '../runtime/browser.js';
import { fetchBytes } from '../runtime/fetch-bytes.js';
import { showCodewords } from './codeword-tiles.js';
import { byId, element, kilobytes, onFile } from './elements.js';
import { inkOf } from './ink.js';
import { Pad } from './pad.js';
import { loadOn, type RunningModel, runners, secondsPerImage } from './speed.js';

/** Those that lie beside the page. */
const bundled = {
  'digits-1-2.subbit': 'digits, weights 1 bit, activations 2',
  'digits-1-1.subbit': 'digits, weights and activations 1 bit',
  'digits-codewords.subbit': 'digits below one bit: 16 codewords',
};

/** Networks for larger digits learned them with a margin (MNIST: 20 of 28 pixels). */
const fillOf = (height: number): number => (height >= 20 ? 20 / 28 : 1);

/** Bars that are shown at most. */
const mostBars = 10;

/** A square image's bytes, one channel. */
interface Sample {
  readonly data: Uint8Array;
  readonly side: number;
}

/** Starts the tab; returns what opens a model in it. */
export function startPredict(): (bytes: Uint8Array, name: string) => Promise<void> {
  const select = byId('model', HTMLSelectElement);
  const facts = byId('model-facts', HTMLElement);
  const problem = byId('problem', HTMLElement);
  const answer = byId('answer', HTMLOutputElement);
  const bars = byId('bars', HTMLOListElement);
  const video = byId('video', HTMLVideoElement);
  const hint = byId('hint', HTMLElement);

  let running: RunningModel[] = [];
  let current: RunningModel | undefined;
  /** What is looked at when it is not the pad. */
  let sample: Sample | undefined;
  /** The opening that counts: an older one that is still under way gives up. */
  let opening = 0;

  const say = (error: unknown): void => {
    if (!(error instanceof SubbitError || error instanceof DOMException)) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
  };

  const pad = new Pad(byId('pad', HTMLCanvasElement), () => {
    sample = undefined;
    hint.hidden = true;
    void look();
  });

  /** The model's input; undefined when there is nothing to see. */
  function prepared(model: DeployedModel): Uint8Array | undefined {
    const { channels, height } = model.input;
    if (sample !== undefined)
      return model.prepare(sample.data, { height: sample.side, width: sample.side, channels: 1 });
    const pixels = pad.pixels();
    if (channels !== 1) return model.prepare(pixels);
    const ink = inkOf(pixels.data, pixels, fillOf(height));
    return ink && model.prepare(ink.data, ink.shape);
  }

  let isLooking = false;
  let isChanged = false;
  /** Looks as often as it can while things change. */
  async function look(): Promise<void> {
    isChanged = true;
    if (isLooking) return;
    isLooking = true;
    try {
      while (isChanged && current !== undefined) {
        isChanged = false;
        const { model } = current;
        const input = prepared(model);
        const [found] = input ? await model.classify(input, { top: model.classes.length }) : [];
        if (current?.model !== model) continue;
        answer.textContent = found?.class ?? '–';
        answer.classList.toggle('long', (found?.class ?? '').length > 3);
        showSeen(model, input);
        const probabilities = new Map(found?.top.map(({ class: name, probability }) => [name, probability]));
        const names = model.classes.length <= mostBars ? model.classes : [...probabilities.keys()].slice(0, mostBars);
        bars.replaceChildren(...names.map((name) => bar(name, probabilities.get(name) ?? 0)));
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      say(error);
    } finally {
      isLooking = false;
    }
  }

  async function open(bytes: Uint8Array, name: string): Promise<void> {
    const own = ++opening;
    problem.hidden = true;
    for (const { model } of running) model.dispose();
    [running, current] = [[], undefined];
    const place = byId('speeds', HTMLElement);
    place.replaceChildren();
    for (const runner of runners()) {
      let loaded: RunningModel;
      try {
        loaded = await loadOn(runner, bytes);
      } catch (error) {
        // Another backend than the first may be missing here; then it has no row.
        if (running.length > 0) continue;
        if (own === opening) say(error);
        return;
      }
      if (own !== opening) return loaded.model.dispose();
      running.push(loaded);
      current ??= loaded;
    }
    const { height, width, channels } = current!.model.input;
    facts.textContent = `${name}: ${kilobytes(bytes.length)}, for images of ${height}x${width}x${channels}, ${current!.model.classes.length} classes`;
    showCodewords(byId('codewords', HTMLElement), bytes);
    void look();
    for (const each of running) {
      const row = speedRow(each, each === current, () => {
        current = each;
        void look();
      });
      place.append(row.element);
      row.show(await secondsPerImage(each.model));
      if (own !== opening) return;
    }
  }

  async function openFile(file: File): Promise<void> {
    if (file.name.endsWith('.subbit')) {
      select.selectedIndex = -1;
      await open(new Uint8Array(await file.arrayBuffer()), file.name);
      return;
    }
    try {
      const picture = await createImageBitmap(file);
      stopCamera();
      showPicture(picture, picture.width, picture.height);
      picture.close();
    } catch {
      problem.textContent = `'${file.name}' is neither a picture that this browser reads nor a .subbit file`;
      problem.hidden = false;
    }
  }

  /** Shows a picture and looks at it, or at the bytes that it was made of. */
  function showPicture(picture: CanvasImageSource, width: number, height: number, bytes?: Sample): void {
    sample = bytes;
    hint.hidden = true;
    pad.show(picture, width, height);
    void look();
  }

  async function openBundled(): Promise<void> {
    const file = select.value as keyof typeof bundled;
    facts.textContent = `fetching ${file} ...`;
    try {
      const bytes = await fetchBytes(new URL(file, document.baseURI), ({ loaded, total }) => {
        facts.textContent = `fetching ${file}: ${kilobytes(loaded)}${total === undefined ? '' : ` of ${kilobytes(total)}`}`;
      });
      await open(bytes, file);
    } catch (error) {
      say(error);
    }
  }

  // Controls.
  for (const [file, name] of Object.entries(bundled)) select.append(new Option(name, file));
  select.addEventListener('change', () => void openBundled());
  onFile(byId('open-model', HTMLElement), byId('model-file', HTMLInputElement), (file) => void openFile(file));
  onFile(byId('open-picture', HTMLElement), byId('picture-file', HTMLInputElement), (file) => void openFile(file));
  byId('clear', HTMLElement).addEventListener('click', () => {
    stopCamera();
    pad.clear();
    sample = undefined;
    hint.hidden = false;
    void look();
  });
  let shown = 0;
  byId('sample', HTMLElement).addEventListener('click', async () => {
    const { digits } = await import('../data/digits.js');
    const { test } = await digits.load('');
    const side = test.height;
    stopCamera();
    const data = test.images.slice((shown % test.count) * side * side, ((shown++ % test.count) + 1) * side * side);
    showPicture(await createImageBitmap(greyImage(data, side, side)), side, side, { data, side });
  });
  const stage = pad.canvas.parentElement!;
  for (const kind of ['dragover', 'dragleave', 'drop'] as const)
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      stage.classList.toggle('dropping', kind === 'dragover');
      const file = kind === 'drop' ? event.dataTransfer?.files[0] : undefined;
      if (file) void openFile(file);
    });

  const camera = byId('camera', HTMLButtonElement);
  camera.hidden = navigator.mediaDevices === undefined;
  function stopCamera(): void {
    for (const track of (video.srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    camera.setAttribute('aria-pressed', 'false');
  }
  camera.addEventListener('click', async () => {
    if (video.srcObject !== null) return stopCamera();
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    } catch (error) {
      say(error);
      return;
    }
    camera.setAttribute('aria-pressed', 'true');
    await video.play();
    const follow = (): void => {
      if (video.srcObject === null) return;
      showPicture(video, video.videoWidth, video.videoHeight);
      requestAnimationFrame(follow);
    };
    follow();
  });

  byId('isolation', HTMLElement).textContent = crossOriginIsolated
    ? ''
    : 'This page is not cross-origin isolated, so WebAssembly has one thread here; subbit demo serves it with the headers that allow more.';
  void openBundled();
  return async (bytes, name) => {
    select.selectedIndex = -1;
    await open(bytes, name);
  };
}

function bar(name: string, probability: number): HTMLLIElement {
  const row = element('li');
  const share = element('span');
  share.style.setProperty('--share', String(probability));
  row.append(element('span', name), share, element('span', `${(100 * probability).toFixed(1)} %`));
  return row;
}

/** The bytes that the network gets. */
function showSeen({ input }: DeployedModel, bytes: Uint8Array | undefined): void {
  const canvas = byId('seen', HTMLCanvasElement);
  [canvas.width, canvas.height] = [input.width, input.height];
  if (bytes === undefined) return;
  const { width, height, channels } = input;
  const image = channels === 1 ? greyImage(bytes, width, height) : colourImage(bytes, width, height);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}

function greyImage(bytes: Uint8Array, width: number, height: number): ImageData {
  const rgba = new Uint8ClampedArray(4 * bytes.length).fill(255);
  for (const [i, value] of bytes.entries()) rgba.fill(value, 4 * i, 4 * i + 3);
  return new ImageData(rgba, width, height);
}

function colourImage(bytes: Uint8Array, width: number, height: number): ImageData {
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(bytes.subarray(3 * i, 3 * i + 3), 4 * i);
  return new ImageData(rgba, width, height);
}

/** A row of the table of backends, with the choice of the one that answers. */
function speedRow(
  { runner, model, kernelBytes }: RunningModel,
  isChosen: boolean,
  choose: () => void,
): { readonly element: HTMLTableRowElement; show(seconds: number): void } {
  const row = element('tr');
  const input = element('input');
  Object.assign(input, { type: 'radio', name: 'backend', checked: isChosen });
  input.addEventListener('change', choose);
  const label = element('label');
  label.append(input, `${runner.name} (${model.backend.isa})`);
  const first = element('td');
  first.append(label);
  const cells = [element('td', '...'), element('td'), element('td', kernelBytes > 0 ? kilobytes(kernelBytes) : '')];
  row.append(first, ...cells);
  return {
    element: row,
    show(seconds) {
      cells[0]!.textContent =
        seconds < 1e-3 ? `${(1e6 * seconds).toPrecision(3)} µs` : `${(1e3 * seconds).toPrecision(3)} ms`;
      cells[1]!.textContent = Math.round(1 / seconds).toLocaleString('en');
    },
  };
}
