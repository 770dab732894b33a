/** The square that is drawn on: black on white, by mouse, pen or finger. It shows pictures, too. */

const penShare = 0.085;

export class Pad {
  readonly canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  /** Whether the next stroke begins on white paper. */
  #isPicture = false;

  /** `onChange` hears of every piece of a stroke. */
  constructor(canvas: HTMLCanvasElement, onChange: () => void) {
    this.canvas = canvas;
    this.#context = canvas.getContext('2d', { willReadFrequently: true })!;
    this.clear();
    let last: readonly [number, number] | undefined;
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      if (this.#isPicture) this.clear();
      last = this.#place(event);
      this.#stroke(last, last);
      onChange();
    });
    canvas.addEventListener('pointermove', (event) => {
      if (last === undefined) return;
      const here = this.#place(event);
      this.#stroke(last, here);
      last = here;
      onChange();
    });
    for (const end of ['pointerup', 'pointercancel'])
      canvas.addEventListener(end, () => {
        last = undefined;
      });
  }

  clear(): void {
    const { width, height } = this.canvas;
    this.#context.fillStyle = '#fff';
    this.#context.fillRect(0, 0, width, height);
    this.#isPicture = false;
  }

  /** The middle square of a picture, which the next stroke takes away. */
  show(picture: CanvasImageSource, pictureWidth: number, pictureHeight: number): void {
    const { width, height } = this.canvas;
    const side = Math.min(pictureWidth, pictureHeight);
    this.clear();
    this.#context.drawImage(
      picture,
      ...([(pictureWidth - side) / 2, (pictureHeight - side) / 2, side, side] as const),
      ...([0, 0, width, height] as const),
    );
    this.#isPicture = true;
  }

  pixels(): ImageData {
    return this.#context.getImageData(0, 0, this.canvas.width, this.canvas.height);
  }

  #place({ clientX, clientY }: PointerEvent): readonly [number, number] {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [((clientX - left) / width) * this.canvas.width, ((clientY - top) / height) * this.canvas.height];
  }

  #stroke([x0, y0]: readonly [number, number], [x1, y1]: readonly [number, number]): void {
    const context = this.#context;
    context.strokeStyle = '#000';
    context.lineWidth = penShare * this.canvas.width;
    context.lineCap = 'round';
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
  }
}
