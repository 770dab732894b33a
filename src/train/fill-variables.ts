/** From a checkpoint's tensors to a session's variables. */
import type { Variables } from '../backends/plan.js';
import { SubbitError } from '../util/errors.js';
import type { Checkpoint } from './checkpoint.js';

/** Throws when a tensor is missing in a checkpoint, or has another shape there. */
export function requireTensors(
  expected: Iterable<{ readonly name: string; readonly shape: readonly number[] }>,
  tensors: Checkpoint['tensors'],
): void {
  for (const { name, shape } of expected) {
    const saved = tensors[name];
    if (saved === undefined) throw new SubbitError(`the checkpoint is of another network: it has no '${name}'`);
    if (saved.shape.join() !== shape.join()) {
      throw new SubbitError(
        `the checkpoint is of another network: '${name}' is [${saved.shape.join(', ')}] there and [${shape.join(', ')}] here`,
      );
    }
  }
}

/** Copies saved tensors into all variables, or into all that `isWanted` accepts. Throws when one is missing or of another shape. */
export function fillVariables(
  variables: Variables,
  tensors: Checkpoint['tensors'],
  isWanted: (name: string) => boolean = () => true,
): void {
  const wanted = [...variables.entries()].filter(({ name }) => isWanted(name));
  requireTensors(wanted, tensors);
  for (const { name, data } of wanted) data.set(tensors[name]!.data);
  variables.write();
}
