import { expect, test } from 'vitest';
import { Turns } from './turns.js';

test('a turn begins at once where none is under way, else when those before have ended, also badly', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const work =
    (name: string, fails = false) =>
    async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 2));
      seen.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    };
  const first = turns.take(work('a'));
  expect(seen).toEqual(['a begins']);
  const others = [turns.take(work('b', true)), turns.take(work('c'))];
  expect(seen).toEqual(['a begins']);
  expect(await first).toBe('a');
  await expect(others[0]).rejects.toThrow('b');
  expect(await others[1]).toBe('c');
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  await Promise.resolve();
  void turns.take(work('d'));
  expect(seen.at(-1)).toBe('d begins');
});
