/** Text from files in messages. */

/**
 * What a terminal would act on rather than show: C0 and C1 controls (line ends, escape sequences), line and paragraph separators, and the
 * marks that turn the direction of writing.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The text on one line, with what cannot be shown as \uXXXX. */
export function printable(text: string): string {
  return text.replace(unprintable, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
