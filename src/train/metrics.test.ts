import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FormatError, SubbitError } from '../util/errors.js';
import { cutMetrics, type MetricsLine, MetricsWriter, metricsFile, readMetrics } from './metrics.js';

let run: string;
let file: string;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'subbit-metrics-'));
  file = metricsFile(run);
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(run, { recursive: true, force: true });
});

function stepLine(step: number): MetricsLine {
  return { type: 'step', step, epoch: Math.ceil(step / 2), loss: 1 / step, learningRate: 0.1, imagesPerSecond: 100 };
}

/** Two steps an epoch. */
function epochLine(epoch: number): MetricsLine {
  return { type: 'epoch', step: epoch * 2, epoch, trainLoss: 1, testLoss: 2, testAccuracy: 0.5, seconds: 3 };
}

const fiveSteps: MetricsLine[] = [
  stepLine(1),
  stepLine(2),
  epochLine(1),
  stepLine(3),
  stepLine(4),
  epochLine(2),
  stepLine(5),
];

function write(lines: readonly MetricsLine[], step = 0): void {
  const writer = new MetricsWriter(file, step);
  for (const line of lines) writer.append(line);
  writer.close();
}

const linesUpTo = (step: number): MetricsLine[] => fiveSteps.filter((line) => line.step <= step);

describe('MetricsWriter', () => {
  it('writes one object per line', () => {
    write(fiveSteps);
    const text = readFileSync(file, 'utf8');
    expect(text.endsWith('}\n')).toBe(true);
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(fiveSteps);
    expect(readMetrics(file)).toEqual(fiveSteps);
  });

  it('makes an empty file for a run without lines', () => {
    write([]);
    expect(readMetrics(file)).toEqual([]);
  });

  it('holds lines back until flush, close, or a second has passed', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const writer = new MetricsWriter(file, 0);
    writer.append(stepLine(1));
    expect(readMetrics(file)).toEqual([]);
    writer.flush();
    expect(readMetrics(file)).toEqual(linesUpTo(1));
    writer.append(stepLine(2));
    vi.advanceTimersByTime(1000);
    writer.append(epochLine(1));
    expect(readMetrics(file)).toEqual(linesUpTo(2));
    writer.append(stepLine(3));
    writer.close();
    writer.close();
    expect(readMetrics(file)).toEqual(linesUpTo(3));
  });

  it('goes on from a checkpoint so that the file is as if the run had never stopped', () => {
    write(fiveSteps);
    write(
      fiveSteps.filter((line) => line.step > 3),
      3,
    );
    expect(readMetrics(file)).toEqual(fiveSteps);
  });

  it('keeps a loss that is not a number', () => {
    write([{ ...stepLine(1), loss: Number.NaN } as MetricsLine]);
    expect(readFileSync(file, 'utf8')).toContain('"loss":null');
    expect(readMetrics(file)[0]).toEqual({ ...stepLine(1), loss: Number.NaN });
  });

  it('keeps the waiting time and diagnostics, with null for what does not apply', () => {
    const layer = { name: 'conv1', gradientBias: 0.01, gradientVariance: 0.3, saturated: 0.5, signFlips: null };
    const usedLevels = { weights: 2, activations: 4, gradients: null };
    const diagnostics: MetricsLine = { type: 'diagnostics', step: 2, layers: [{ ...layer, usedLevels }] };
    const lines: MetricsLine[] = [stepLine(2), diagnostics, { ...epochLine(1), inputWaitSeconds: 0.5 } as MetricsLine];
    write(lines);
    expect(readMetrics(file)).toEqual(lines);
    cutMetrics(file, 1);
    expect(readMetrics(file)).toEqual([]);
  });

  it('names the file that cannot be written', () => {
    const missing = join(run, 'missing', 'metrics.jsonl');
    expect(() => new MetricsWriter(missing, 0)).toThrow(SubbitError);
    expect(() => new MetricsWriter(missing, 0)).toThrow(`cannot write '${missing}'`);
  });
});

describe('cutMetrics', () => {
  it('keeps the lines up to the step, an epoch by its last step', () => {
    for (const step of [5, 4, 3, 2, 1, 0]) {
      write(fiveSteps);
      cutMetrics(file, step);
      expect(readMetrics(file)).toEqual(linesUpTo(step));
    }
  });

  it('drops a torn last line wherever it was torn', () => {
    const text = fiveSteps.map((line) => `${JSON.stringify(line)}\n`).join('');
    fc.assert(
      fc.property(fc.nat(text.length), (length) => {
        writeFileSync(file, text.slice(0, length));
        cutMetrics(file, 100);
        // A line that lost only its newline is whole.
        const whole = text.slice(0, length + 1).split('\n').length - 1;
        expect(readMetrics(file)).toEqual(fiveSteps.slice(0, whole));
        expect(readFileSync(file, 'utf8')).toMatch(/^$|\n$/);
      }),
    );
  });

  it('keeps lines and keys that it does not know', () => {
    const lines = ['{"type":"note","text":"null"}', '{"type":"layer","step":1,"more":[null,1.50]}'];
    writeFileSync(file, `${lines.join('\n')}\n{"type":"layer","step":2}\n`);
    cutMetrics(file, 1);
    expect(readFileSync(file, 'utf8')).toBe(`${lines.join('\n')}\n`);
  });

  it('has nothing to cut from a missing file', () => {
    cutMetrics(file, 3);
    expect(existsSync(file)).toBe(false);
  });

  it('refuses a damaged line that no crash explains', () => {
    writeFileSync(file, '{"type":"step","step":1}\n\u0000\u0000\n{"type":"step","step":2}\n');
    expect(() => cutMetrics(file, 2)).toThrow(FormatError);
    expect(() => cutMetrics(file, 2)).toThrow(`'${file}', line 2 is not a JSON object (damaged); remove that line`);
  });
});

describe('readMetrics', () => {
  it('leaves out a torn last line and unknown types', () => {
    write(linesUpTo(2));
    appendFileSync(file, '{"type":"later","step":2}\n{"type":"toString"}\n{"type":"step","step":3,"ep');
    expect(readMetrics(file)).toEqual(linesUpTo(2));
  });

  it.each([
    ['{"type":"step","step":"1"}\n', 'line 1: step is "1", not a number'],
    ['{"type":"epoch","step":1,"epoch":1}\n', 'line 1: trainLoss is nothing, not a number'],
    ['[1]\n{}\n', 'line 1 is not a JSON object'],
    ['null\n', 'line 1 is not a JSON object'],
    ['1\n', 'line 1 is not a JSON object'],
  ])('refuses %j', (text, rule) => {
    writeFileSync(file, text);
    expect(() => readMetrics(file)).toThrow(FormatError);
    expect(() => readMetrics(file)).toThrow(rule);
  });

  it.each([
    ['loss', (value: string) => `{"type":"step","step":1,"epoch":1,"loss":${value}}\n`],
    ['layers', (value: string) => `{"type":"diagnostics","step":1,"layers":{"a":${value}}}\n`],
  ])('refuses a value of %s that is nested more deeply than it can be shown', (key, textOf) => {
    writeFileSync(file, textOf(`${'['.repeat(100_000)}${']'.repeat(100_000)}`));
    expect(() => readMetrics(file)).toThrow(FormatError);
    expect(() => readMetrics(file)).toThrow(`line 1: ${key} is a deeply nested value, not a`);
  });

  it('names a file that is not there', () => {
    expect(() => readMetrics(file)).toThrow(`cannot read '${file}'`);
  });
});
