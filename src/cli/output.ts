/**
 * Where the command line writes. Standard output carries the result and nothing else: with --json exactly one JSON object,
 * otherwise text for people. Progress, notices and errors go to standard error.
 */
import cliProgress from 'cli-progress';

export interface Output {
  readonly json: boolean;
  /** One line of information on standard error. */
  note(line: string): void;
  /** The result of the command: the object with --json, the text otherwise. */
  result(object: unknown, text: () => string): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    note: (line) => void process.stderr.write(`${line}\n`),
    result: (object, text) => void process.stdout.write(json ? `${JSON.stringify(object)}\n` : `${text()}\n`),
  };
}

/** Progress of one epoch: a bar on a terminal, and elsewhere a plain line every few seconds. */
export interface Progress {
  start(label: string, total: number): void;
  update(done: number, status: string): void;
  stop(): void;
}

const secondsBetweenLines = 10;

export function createProgress(): Progress {
  return process.stderr.isTTY ? createBar() : createLines();
}

function createBar(): Progress {
  let bar: cliProgress.SingleBar | undefined;
  return {
    start(label, total) {
      const format = `${label} [{bar}] {value}/{total} {status}`;
      bar = new cliProgress.SingleBar({
        format,
        hideCursor: true,
        clearOnComplete: true,
        stream: process.stderr,
        fps: 8,
      });
      bar.start(total, 0, { status: '' });
    },
    update: (done, status) => bar?.update(done, { status }),
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

function createLines(): Progress {
  let label = '';
  let total = 0;
  let last = 0;
  return {
    start(newLabel, newTotal) {
      label = newLabel;
      total = newTotal;
      last = performance.now();
    },
    update(done, status) {
      if (performance.now() - last < secondsBetweenLines * 1000) return;
      last = performance.now();
      process.stderr.write(`${label} ${done}/${total} ${status}\n`);
    },
    stop() {},
  };
}

/** Columns aligned, the first to the left and the others to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** 83 B, 12.3 KB, 4.56 MB (powers of 1000) */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['KB', 'MB', 'GB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toPrecision(3)} ${units[unit]}`;
}

/** 45 s, 3 min 20 s, 2 h 5 min */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
