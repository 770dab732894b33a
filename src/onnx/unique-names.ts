/** Names of which each is taken once: a second 'conv' is 'conv.2'. */
export class UniqueNames {
  /** The names that are taken, each with the number to try next behind it: files may repeat one name for every node. */
  readonly #next = new Map<string, number>();

  /** The name, with a number where it is taken. */
  take(wanted: string): string {
    let own = wanted;
    let next = this.#next.get(wanted) ?? 2;
    while (this.#next.has(own)) own = `${wanted}.${next++}`;
    this.#next.set(own, 2);
    this.#next.set(wanted, next);
    return own;
  }
}
