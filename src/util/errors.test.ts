import { expect, test } from 'vitest';
import { FormatError, SubbitError, UsageError } from './errors.js';

test.each([SubbitError, UsageError, FormatError])('a name from a file cannot act on the terminal (%s)', (Kind) => {
  const error = new Kind("the data of '\u001b[2J\u0007a\r\nb\u009b\u202ec' lies elsewhere", { cause: 1 });
  expect(error.message).toBe("the data of '\\u001b[2J\\u0007a\\u000d\\u000ab\\u009b\\u202ec' lies elsewhere");
  expect(error.cause).toBe(1);
});

test('other text stays as it is', () => {
  expect(new SubbitError("ä 漢字 '\\' ✓").message).toBe("ä 漢字 '\\' ✓");
});
