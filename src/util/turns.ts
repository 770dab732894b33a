/** Work that shares memory takes turns: a call begins when those before it have ended, and at once where there are none. */
export class Turns {
  #last: Promise<unknown> | undefined;

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last === undefined ? work() : this.#last.then(work);
    const end = (): void => {
      if (this.#last === ended) this.#last = undefined;
    };
    const ended: Promise<void> = turn.then(end, end);
    this.#last = ended;
    return turn;
  }
}
