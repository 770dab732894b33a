/** Checks that are counted: each prints a line when it is done. */

let ran = 0;
let failed = 0;

/** Runs a check; what it returns is shown. Throwing fails it. */
export async function check(what, measure) {
  ran++;
  try {
    const shown = await measure();
    console.log(`ok      ${what}${shown === undefined ? '' : `: ${shown}`}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${what}: ${String(error.message).split('\n').slice(0, 3).join(' ')}`);
  }
}

export function expect(isTrue, message) {
  if (!isTrue) throw new Error(message);
}

/** Says how it went and sets the exit status. */
export function conclude(required) {
  console.log(`${ran} checks ran, ${failed} failed`);
  if (ran < required) console.log(`${required - ran} checks did not run`);
  if (failed > 0 || ran < required) process.exitCode = 1;
}
