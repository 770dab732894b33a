/** A run of a plan, for the clock. */
import type { Plan } from '../../backends/plan.js';

/**
 * Runs calls first .. end - 1 of a plan, all by default, to their end: a device with memory of its own only notes them down, and reading
 * `output` is what waits for them.
 */
export function runPlan(plan: Plan, output: string, first?: number, end?: number): Promise<void> | undefined {
  plan.run(first, end);
  return plan.backend.read && plan.read([output]);
}
