type Closable = { close(): unknown } | { dispose(): unknown };

/** What a piece of work opens and closes at its end, however it ends: the last opened first. */
export class Closing {
  readonly #opened: Closable[] = [];

  /** Returns what it takes. */
  add<T extends Closable | undefined>(opened: T): T {
    if (opened !== undefined) this.#opened.push(opened);
    return opened;
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.reverse()) await ('close' in opened ? opened.close() : opened.dispose());
  }
}
