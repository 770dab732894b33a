/**
 * Every case on every backend and instruction set that is here, with one thread and with two: the reference's results (parity.ts),
 * and the same bits with both numbers of threads.
 *
 * REQUIRE_BACKENDS=native,wasm makes a backend that is not built a failure. COVERAGE=1 prints ops x backends.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BackendName, backends } from '../backends/index.js';
import type { Backend } from '../core/backend.js';
import { cases } from './cases.js';
import { ops } from './index.js';
import { checkCase, checkSame } from './parity.js';

const byOp = Object.values(ops).map((op) => ({ op, its: cases.filter((testCase) => testCase.op === op) }));

describe('the cases', () => {
  test.each(byOp)('$op.name has some, each with a name of its own', ({ its }) => {
    expect(its.length).toBeGreaterThan(0);
    expect(new Set(its.map(({ name }) => name)).size).toBe(its.length);
  });
});

const required = (process.env.REQUIRE_BACKENDS ?? '').split(',').filter((name) => name !== '');
/** Passed cases by op, then by column. */
const coverage = new Map(byOp.map(({ op }) => [op.name, new Map<string, number>()]));
const columns: string[] = [];

for (const name of Object.keys(backends) as BackendName[]) {
  const isas = await backends[name].isas();
  if (isas.length === 0) {
    describe(name, () => {
      const skip = `not built, so its kernels are NOT compared with the reference (REQUIRE_BACKENDS=${name} makes this an error)`;
      if (required.includes(name)) test('is built', () => expect.fail(`the backend ${name} is required and not built`));
      else test.skip(skip, () => {});
    });
    console.warn(`the backend ${name} is not built: its kernels are NOT compared with the reference`);
  }
  for (const isa of isas) describe(`${name}, ${isa}`, () => compareAll(name, isa));
}

function compareAll(name: BackendName, isa: string): void {
  const column = `${name} ${isa}`;
  columns.push(column);
  let single: Backend | undefined;
  let double: Backend | undefined;
  beforeAll(async () => {
    single = await backends[name].create({ isa, threads: 1 });
    double = await backends[name].create({ isa, threads: 2 });
  });
  afterAll(() => {
    single?.dispose();
    double?.dispose();
  });
  for (const { op, its } of byOp) {
    // No kernel runs for an alias; the reference's copy stands for it.
    if (op.isAlias && name !== 'reference') continue;
    describe(op.name, () => {
      for (const testCase of its) {
        test(testCase.name, async () => {
          const results = await checkCase(single!, testCase);
          if (double!.threads === 2) await checkSame(double!, testCase, results);
          const counts = coverage.get(op.name)!;
          counts.set(column, (counts.get(column) ?? 0) + 1);
        });
      }
    });
  }
}

afterAll(() => {
  if (process.env.COVERAGE !== '1') return;
  const rows = byOp.map(({ op, its }) => {
    const counts = columns.map((column) => coverage.get(op.name)?.get(column) ?? 0);
    const cells = counts.map((count) => (op.isAlias && count === 0 ? 'alias' : `${count}/${its.length}`));
    return [op.name, ...cells];
  });
  const table = [['cases passed', ...columns], ...rows];
  const widths = table[0]!.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  console.log(table.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')).join('\n'));
});

for (const name of required) {
  if (!Object.hasOwn(backends, name))
    test(`REQUIRE_BACKENDS: ${name}`, () => expect.fail(`there is no backend ${name}`));
}
