/**
 * Writes src/data/digits.bytes.ts, the embedded digits data set, from scikit-learn's copy of it:
 *
 *     pip download scikit-learn --no-deps -d /tmp/sk && unzip /tmp/sk/*.whl 'sklearn/datasets/data/digits.csv.gz' -d /tmp/sk
 *     node scripts/make-digits.mjs /tmp/sk/sklearn/datasets/data/digits.csv.gz
 *
 * Source: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository,
 * https://doi.org/10.24432/C50P49, CC BY 4.0. The file holds the 1,797 images of the test half, one per line: 64 values
 * 0..16 in rows, then the label.
 *
 * Packing: three values are a number below 17^3 = 4,913, which two letters of a 71-letter alphabet (71^2 = 5,041) can
 * write. That is 76,672 letters, as few as deflate and base64 need, and the decoder is five lines without a library.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const numImages = 1797;
const numPixels = 64;
const lettersPerLine = 240;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#%()*+,-';

const source = process.argv[2];
if (source === undefined) {
  console.error('usage: node scripts/make-digits.mjs digits.csv.gz');
  process.exit(2);
}
const rows = gunzipSync(readFileSync(source))
  .toString('ascii')
  .trim()
  .split('\n')
  .map((line) => line.split(',').map(Number));
const isValid = (row) =>
  row.length === numPixels + 1 && row.every((value) => Number.isInteger(value) && value >= 0 && value <= 16);
if (rows.length !== numImages || !rows.every(isValid)) {
  console.error(`${source} is not the digits file: expected ${numImages} lines of 64 values 0..16 and a label`);
  process.exit(1);
}

const values = rows.flatMap((row) => row.slice(0, numPixels));
let pixels = '';
for (let i = 0; i < values.length; i += 3) {
  const code = values[i] * 289 + values[i + 1] * 17 + values[i + 2];
  pixels += alphabet[Math.floor(code / alphabet.length)] + alphabet[code % alphabet.length];
}
const labels = rows.map((row) => row[numPixels]).join('');
const wrap = (text) => text.match(new RegExp(`.{1,${lettersPerLine}}`, 'g')).join('\n');

writeFileSync(
  new URL('../src/data/digits.bytes.ts', import.meta.url),
  `/**
 * The 1,797 images of the UCI optical digits, written by scripts/make-digits.mjs; do not edit.
 *
 * "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository,
 * https://doi.org/10.24432/C50P49. Licence: Creative Commons Attribution 4.0 (CC BY 4.0). Changed only in encoding.
 *
 * Two letters with the alphabet's indices a, b are three values (v0 * 17 + v1) * 17 + v2 = a * 71 + b, each 0..16, in the
 * original order: image by image, row by row. Line breaks do not count.
 */
export const alphabet = '${alphabet}';

export const labels = \`
${wrap(labels)}
\`;

export const pixels = \`
${wrap(pixels)}
\`;
`,
);
