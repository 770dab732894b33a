/** Pages: what is drawn where, and that nothing from a file becomes markup or is fetched. */
import { inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { newImageSet } from '../../data/dataset.js';
import { histogramOf } from '../../train/histograms.js';
import { crc32 } from '../../util/crc32.js';
import { confusionHtml, confusionOf } from './confusion.js';
import { escaped, page } from './page.js';
import { encodePng, filterPictures } from './pictures.js';
import { lineChart, shortNumber, ticks } from './plot.js';
import { ridgePlot } from './ridges.js';
import { runPage } from './run-page.js';
import type { RunReport } from './run-report.js';

/** The elements that are opened but not closed, or the other way round. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const optional = new Set(['html', 'meta', 'br', 'img']);
  for (const [, close, name, self] of html.matchAll(/<(\/?)([a-z]+\d?)[^>]*?(\/?)>/g)) {
    if (self || optional.has(name!)) continue;
    if (!close) open.push(name!);
    else if (open.pop() !== name) return [name!];
  }
  return open;
}

describe('plots', () => {
  test('ticks are round numbers within the range', () => {
    expect(ticks(0, 1, 4).map(Number)).toEqual([0, 0.5, 1]);
    expect(ticks(3, 97, 5)).toEqual([20, 40, 60, 80]);
    expect(ticks(2, 2, 4)).toEqual([2]);
  });

  test.each([
    [0, '0'],
    [0.00012, '1.2e-4'],
    [1.2345, '1.23'],
    [12_500, '12.5k'],
    [-3_000_000, '-3M'],
  ])('%d is written %s', (value, text) => {
    expect(shortNumber(value)).toBe(text);
  });

  test('lines go through the points; what is no number is left out', () => {
    const points = [
      [0, 1],
      [1, Number.NaN],
      [2, 3],
    ] as const;
    const chart = lineChart({ title: 'Loss', xTitle: 'step', series: [{ name: 'a<b', colour: 'red', points }] });
    expect(/points="([^"]*)"/.exec(chart)?.[1]).toBe('40.0,176.0 308.0,8.0');
    expect(chart).toContain('a&#60;b');
    expect(unbalanced(chart)).toEqual([]);
    expect(lineChart({ title: 'Loss', xTitle: 'step', series: [{ name: 'a', colour: 'red', points: [] }] })).toBe('');
  });

  test('many points are averaged', () => {
    const points = Array.from({ length: 10_000 }, (_, i) => [i, i] as const);
    const chart = lineChart({ title: 'x', xTitle: 'x', series: [{ name: 'x', colour: 'red', points }] });
    expect(chart.length).toBeLessThan(6000);
  });

  test('ridges: at most six, the first and the last among them, on one axis', () => {
    const ridges = Array.from({ length: 20 }, (_, i) => ({ epoch: `e${i}`, histogram: histogramOf([-i, 0, 1]) }));
    const plot = ridgePlot({ title: 'weights', ridges });
    expect(plot.match(/>e\d+</g)).toEqual(['>e0<', '>e4<', '>e8<', '>e11<', '>e15<', '>e19<']);
    expect(plot).toContain('>-19<');
    expect(plot).not.toContain('NaN');
    const constant = ridgePlot({ title: 'x', ridges: [{ epoch: '1', histogram: histogramOf([7, 7]) }] });
    expect(constant).not.toContain('NaN');
    expect(ridgePlot({ title: 'x', ridges: [{ epoch: '1', histogram: histogramOf([]) }] })).toBe('');
  });
});

describe('pictures', () => {
  test.each([1, 3])('are PNG files, with %d channels', (channels) => {
    const [height, width] = [2, 3];
    const pixels = Uint8Array.from({ length: height * width * channels }, (_, i) => 7 * i);
    const png = Buffer.from(encodePng(pixels, { height, width, channels }));
    const chunks: Record<string, Buffer> = {};
    for (let at = 8; at < png.length; ) {
      const length = png.readUInt32BE(at);
      expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(png.subarray(at + 4, at + 8 + length)));
      chunks[png.toString('latin1', at + 4, at + 8)] = png.subarray(at + 8, at + 8 + length);
      at += 12 + length;
    }
    expect([chunks.IHDR!.readUInt32BE(0), chunks.IHDR!.readUInt32BE(4)]).toEqual([width, height]);
    expect([...chunks.IHDR!.subarray(8)]).toEqual([8, channels === 3 ? 2 : 0, 0, 0, 0]);
    const rows = inflateSync(chunks.IDAT!);
    const found = [0, 1].flatMap((y) => [
      ...rows.subarray(y * (1 + width * channels) + 1, (y + 1) * (1 + width * channels)),
    ]);
    expect(found).toEqual([...pixels]);
  });

  test('filters become pictures about grey', () => {
    // [height 1, width 2, channels 1, count 2]
    const [first, second] = filterPictures([1, 0, -0.5, -1], [1, 2, 1, 2]);
    expect([...first!.pixels]).toEqual([255, 63]);
    expect([...second!.pixels]).toEqual([127, 0]);
    expect(filterPictures([1, 1], [1, 1, 2, 1])).toEqual([]);
  });
});

const classes = ['cat', '<img src=x onerror=alert(1)>', '"dog"'];
const set = newImageSet(4, { height: 90, width: 120, channels: 3 });
set.labels.set([0, 1, 2, 2]);
const answer = (label: number, probability: number) => ({ label, class: classes[label]!, probability, top: [] });
const confusion = confusionOf(set, [answer(0, 0.9), answer(0, 0.6), answer(1, 0.8), answer(2, 0.5)], classes);

describe('confusion', () => {
  test('counts answers by label, and shows the surest mistakes, small', () => {
    expect(confusion.counts).toEqual([
      [1, 0, 0],
      [1, 0, 0],
      [0, 1, 1],
    ]);
    expect(confusion.mistakes.map(({ label, predicted }) => [label, predicted])).toEqual([
      [classes[2], classes[1]],
      [classes[1], classes[0]],
    ]);
    expect(confusion.mistakes[0]!.image.shape).toEqual({ height: 48, width: 64, channels: 3 });
  });

  test('of many classes is a list of the most frequent', () => {
    const names = Array.from({ length: 100 }, (_, i) => `class ${i}`);
    const many = newImageSet(3, { height: 1, width: 1, channels: 1 });
    many.labels.set([5, 5, 7]);
    const wrong = { label: 9, class: 'class 9', probability: 1, top: [] };
    const html = confusionHtml(confusionOf(many, [wrong, wrong, wrong], names));
    expect(html).toMatch(/class 5<\/td><td>class 9<\/td><td>2<.*\n.*class 7<\/td><td>class 9<\/td><td>1</);
  });
});

describe('the page of a run', () => {
  const one = histogramOf([1, 2, 3]);
  const report: RunReport = {
    title: `digits 1-2-4: runs/<script>alert("'")</script>`,
    intro: ['a & b'],
    metrics: [
      { type: 'step', step: 1, epoch: 1, loss: 2, learningRate: 0.1, imagesPerSecond: 1 },
      {
        type: 'histograms',
        step: 2,
        epoch: 1,
        layers: [{ name: 'conv<b>', parameters: one, weights: null, activations: one, gradients: one }],
      },
      { type: 'epoch', step: 2, epoch: 1, trainLoss: 1, testLoss: 1, testAccuracy: 0.5, seconds: 1 },
    ],
    layers: { header: ['layer'], rows: [['<u>']] },
    totals: ['1 parameter'],
    settings: { 'training.data': '/home/<i>/data' },
    parameters: [{ name: 'conv1', histogram: one }],
    firstFilters: filterPictures([1, 0, -0.5, -1], [1, 2, 1, 2]),
    confusion,
  };

  test('has every part, fetches nothing, runs nothing', () => {
    const html = runPage(report);
    for (const part of ['Loss', 'Accuracy', 'Learning rate', 'activations', 'Filters of', 'surest mistakes', 'Layers'])
      expect(html).toContain(part);
    expect(unbalanced(html)).toEqual([]);
    expect(html).not.toMatch(/<script|<u>|<i>|<b>|<img src=x|https?:|@import|url\(|NaN|undefined/);
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)/g))
      expect(address).toMatch(/^data:image\/png;base64,/);
  });

  test('says what it lacks', () => {
    const html = runPage({ ...report, metrics: [], firstFilters: [], confusion: { why: "no 'data' <here>" } });
    expect(html).toContain('no curves');
    expect(html).toContain('--histograms 1');
    expect(html).toContain('no &#39;data&#39; &#60;here&#62;');
    expect(html).not.toContain('Filters of');
    expect(unbalanced(html)).toEqual([]);
  });
});

test('text cannot leave its place', () => {
  expect(escaped(`<a href="x" id='y'>&`)).toBe('&#60;a href=&#34;x&#34; id=&#39;y&#39;&#62;&#38;');
  expect(page('</title><script>', '')).not.toContain('<script');
});
